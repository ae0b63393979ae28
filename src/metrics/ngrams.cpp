#include "metrics/ngrams.h"

#include <algorithm>

#include "metrics/words.h"

namespace isthmus::metrics {
namespace {

std::vector<NgramCount> counted(std::vector<uint32_t> ids) {
  std::sort(ids.begin(), ids.end());
  std::vector<NgramCount> counts;
  for (const uint32_t id : ids) {
    if (counts.empty() || counts.back().id != id) counts.push_back({id, 0});
    ++counts.back().count;
  }
  return counts;
}

}  // namespace

IdTable::Slot& IdTable::slot_for(uint64_t key) {
  const size_t mask = slots_.size() - 1;
  // The upper half of a product depends on every bit of the key (Fibonacci hashing).
  size_t at = (key * 0x9E3779B97F4A7C15u >> 32) & mask;
  while (slots_[at].id_plus_one != 0 && slots_[at].key != key) at = (at + 1) & mask;
  return slots_[at];
}

void IdTable::grow() {
  constexpr size_t kSmallest = 64;
  std::vector<Slot> old(slots_.empty() ? kSmallest : 2 * slots_.size());
  std::swap(old, slots_);
  for (const Slot& slot : old)
    if (slot.id_plus_one != 0) slot_for(slot.key) = slot;
}

uint32_t IdTable::id_of(uint64_t key) {
  if (2 * size_ >= slots_.size()) grow();
  Slot& slot = slot_for(key);
  if (slot.id_plus_one == 0) slot = {key, static_cast<uint32_t>(++size_)};
  return slot.id_plus_one - 1;
}

SentenceNgrams NgramCounter::count(std::string_view sentence) {
  std::vector<uint32_t> words;
  for (const std::string_view word : split_white_space(sentence))
    words.push_back(
        words_.try_emplace(std::string(word), static_cast<uint32_t>(words_.size())).first->second);

  SentenceNgrams ngrams;
  ngrams.words = static_cast<int64_t>(words.size());
  std::vector<uint32_t> runs = words;
  for (size_t n = 1;; ++n) {
    ngrams.by_length[n - 1] = counted(runs);
    if (n == kMaxNgram || runs.size() < 2) return ngrams;
    for (size_t i = 0; i + 1 < runs.size(); ++i)
      runs[i] = runs_[n].id_of(uint64_t{runs[i]} << 32 | words[i + n]);
    runs.pop_back();
  }
}

}  // namespace isthmus::metrics
