// What may follow a text, as the set of all stacks of states that have read it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "grammar/automaton.h"

namespace isthmus::grammar {

// Stacks share what lies below their tops, equal sets have equal numbers, and where a set leads
// with a byte is computed once: a deterministic automaton that is made while it is walked. For one
// thread.
class StackSets {
 public:
  using Frame = uint32_t;  // the top of a stack and all below it
  using Set = uint32_t;
  static constexpr Frame kBottom = 0;  // the empty stack: all has been read
  static constexpr Set kNone = 0;      // no stack: the text is wrong
  static constexpr size_t kMostStacks = 1000;

  explicit StackSets(std::shared_ptr<const Automaton> automaton);
  StackSets(const StackSets&) = delete;
  StackSets& operator=(const StackSets&) = delete;

  // The beginning of the whole text.
  Set start();
  // The one stack that has `state` alone.
  Set alone(uint32_t state);
  // What `below` goes on with when all that was above it has been read.
  Set returned(Frame below);
  // Throws UsageError when there are more stacks than kMostStacks, or when more was computed since
  // the last begin_work() than a token is worth.
  Set step(Set set, uint8_t byte) {
    const uint32_t row = sets_[set].row;
    if (row != kNoRow)
      if (const Set known = rows_[row].next[byte]; known != kUnknown) return known;
    return compute_step(set, byte);
  }
  void begin_work() { work_ = 0; }

  // Ascending; kBottom, which stands first, says that the text may end here.
  std::span<const Frame> stacks(Set set) const {
    return std::span(pool_).subspan(sets_[set].first, sets_[set].size);
  }
  bool complete(Set set) const { return sets_[set].size > 0 && stacks(set).front() == kBottom; }
  uint32_t state(Frame frame) const { return frames_[frame].state; }
  Frame below(Frame frame) const { return frames_[frame].below; }

  // Whether so much is remembered that it should be forgotten.
  bool is_large() const;
  // Forgets everything but `set`; returns its new number, all others are void.
  Set keep_only(Set set);

 private:
  static constexpr uint32_t kNoRow = UINT32_MAX;
  static constexpr Set kUnknown = UINT32_MAX;
  struct FrameContent {
    uint32_t state;
    Frame below;
  };
  struct SetContent {
    size_t first;  // in pool_
    uint32_t size, row, steps;
  };
  struct Row {
    Set next[256];
  };
  // Finds a set by its stacks.
  struct HashOfSet {
    using is_transparent = void;
    const StackSets* owner;
    size_t operator()(Set set) const { return (*this)(owner->stacks(set)); }
    size_t operator()(std::span<const Frame> stacks) const;
  };
  struct SameSet {
    using is_transparent = void;
    const StackSets* owner;
    bool operator()(Set a, Set b) const { return a == b; }
    bool operator()(std::span<const Frame> a, Set b) const;
    bool operator()(Set a, std::span<const Frame> b) const { return (*this)(b, a); }
  };

  void clear();
  Frame frame(uint32_t state, Frame below);
  Set set_of(std::span<const Frame> stacks);
  Set compute_step(Set set, uint8_t byte);
  // Adds to found_ what a stack becomes before it reads its next byte.
  void settle(uint32_t state, Frame below);
  Set set_of_found();
  [[noreturn]] void give_up(const std::string& why);

  std::shared_ptr<const Automaton> automaton_;
  std::vector<FrameContent> frames_;
  std::unordered_map<uint64_t, Frame> frame_numbers_;
  std::vector<Frame> pool_;
  std::vector<SetContent> sets_;
  std::vector<Row> rows_;
  std::unordered_set<Set, HashOfSet, SameSet> set_numbers_;
  size_t work_ = 0;

  std::vector<Frame> found_;
  std::vector<FrameContent> pending_;
  std::unordered_set<uint64_t> settled_;
};

}  // namespace isthmus::grammar
