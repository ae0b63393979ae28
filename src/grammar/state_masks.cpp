#include "grammar/state_masks.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace isthmus::grammar {

namespace {

constexpr size_t kMostBytes = size_t{64} << 20;  // of remembered masks

}  // namespace

void TokenMask::allow(const TokenMask& others) {
  for (size_t i = 0; i < words_.size(); ++i) words_[i] |= others.words_[i];
}

bool TokenMask::empty() const {
  return std::ranges::all_of(words_, [](uint64_t word) { return word == 0; });
}

size_t TokenMask::count() const {
  size_t all = 0;
  for (const uint64_t word : words_) all += static_cast<size_t>(std::popcount(word));
  return all;
}

void walk(const Vocabulary& vocabulary, uint32_t node, StackSets& sets, StackSets::Set from,
          TokenMask& mask, const std::function<void(uint32_t, StackSets::Set)>& arrived) {
  const size_t depth = vocabulary.node(node).depth;
  std::vector<StackSets::Set> path(1, from);  // by depth below that of `node`
  for (uint32_t i = node + 1; i < vocabulary.node(node).end;) {
    const Vocabulary::Node& next = vocabulary.node(i);
    const size_t below = next.depth - depth;
    const StackSets::Set set = sets.step(path[below - 1], next.byte);
    if (set == StackSets::kNone) {
      i = next.end;
      continue;
    }
    mask.allow(vocabulary.tokens_at(i));
    if (arrived) arrived(i, set);
    if (path.size() == below) path.emplace_back();
    path[below] = set;
    ++i;
  }
}

StateMasks::StateMasks(std::shared_ptr<const Automaton> automaton,
                       std::shared_ptr<const Vocabulary> vocabulary)
    : automaton_(std::move(automaton)),
      vocabulary_(std::move(vocabulary)),
      most_remembered_(kMostBytes / (vocabulary_->size() / 8 + 256)),
      sets_(automaton_) {}

std::shared_ptr<const StateMasks::Local> StateMasks::local(uint32_t state) {
  const std::lock_guard lock(mutex_);
  if (const auto found = locals_.find(state); found != locals_.end()) return found->second;
  if (locals_.size() >= most_remembered_) locals_.clear();
  sets_.begin_work();
  if (sets_.is_large()) sets_.keep_only(StackSets::kNone);
  auto local = std::make_shared<Local>(Local{TokenMask(vocabulary_->size()), {}});
  walk(*vocabulary_, 0, sets_, sets_.alone(state), local->mask,
       [&](uint32_t node, StackSets::Set set) {
         const bool is_leaf = vocabulary_->node(node).end == node + 1;
         if (!is_leaf && sets_.complete(set)) local->escapes.push_back(node);
       });
  locals_.emplace(state, local);
  return local;
}

}  // namespace isthmus::grammar
