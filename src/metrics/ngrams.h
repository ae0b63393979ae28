// Counting runs of one to four words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace isthmus::metrics {

inline constexpr size_t kMaxNgram = 4;

struct NgramCount {
  uint32_t id;  // of the n-gram among those of its length
  uint32_t count;
};

struct SentenceNgrams {
  int64_t words = 0;
  std::array<std::vector<NgramCount>, kMaxNgram> by_length;  // [n - 1], each sorted by id
};

// Numbers keys in the order they come. Open addressing: a corpus has a million n-grams, and
// std::unordered_map takes ten times as long for them.
class IdTable {
 public:
  uint32_t id_of(uint64_t key);
  size_t size() const { return size_; }

 private:
  struct Slot {
    uint64_t key;
    uint32_t id_plus_one = 0;  // 0: free
  };
  Slot& slot_for(uint64_t key);
  void grow();

  std::vector<Slot> slots_;
  size_t size_ = 0;
};

// Gives every n-gram it meets an id, so that sentences are compared by numbers.
class NgramCounter {
 public:
  SentenceNgrams count(std::string_view sentence);
  // How many different n-grams of `n` words have been met: ids are below it.
  size_t vocabulary_size(size_t n) const { return n == 1 ? words_.size() : runs_[n - 1].size(); }

 private:
  std::unordered_map<std::string, uint32_t> words_;
  // [n - 1]: the id of the first n - 1 words and that of the last -> the id of the n words.
  std::array<IdTable, kMaxNgram> runs_;
};

}  // namespace isthmus::metrics
