// Which tokens can follow a state, as far as that does not depend on the stack below it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/automaton.h"
#include "grammar/stack_sets.h"
#include "grammar/vocabulary.h"

namespace isthmus::grammar {

// One bit per token.
class TokenMask {
 public:
  explicit TokenMask(size_t tokens) : words_((tokens + 63) / 64, 0) {}
  void allow(std::span<const uint32_t> ids) {
    for (const uint32_t id : ids) words_[id / 64] |= uint64_t{1} << id % 64;
  }
  void forbid(std::span<const uint32_t> ids) {
    for (const uint32_t id : ids) words_[id / 64] &= ~(uint64_t{1} << id % 64);
  }
  void allow(const TokenMask& others);
  bool empty() const;
  size_t count() const;
  bool allows(size_t id) const { return (words_[id / 64] >> id % 64 & 1) != 0; }
  std::span<const uint64_t> words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

// Walks `sets` along the strings of `vocabulary` that begin with that of `node`, which `from` has
// read, and allows the tokens it comes by. `arrived`, where it is not null, is told every node.
void walk(const Vocabulary& vocabulary, uint32_t node, StackSets& sets, StackSets::Set from,
          TokenMask& mask, const std::function<void(uint32_t, StackSets::Set)>& arrived = {});

// A grammar that is read with the tokens of a vocabulary; shared by all answers that follow it, on
// any thread.
class StateMasks {
 public:
  struct Local {
    TokenMask mask;                 // tokens that the rule can begin with, or is done with exactly
    std::vector<uint32_t> escapes;  // nodes where the rule ends; what called it reads the rest
  };

  StateMasks(std::shared_ptr<const Automaton> automaton,
             std::shared_ptr<const Vocabulary> vocabulary);

  const std::shared_ptr<const Automaton>& automaton() const { return automaton_; }
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  // Of the stack that has `state` on top.
  std::shared_ptr<const Local> local(uint32_t state);

 private:
  std::shared_ptr<const Automaton> automaton_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  size_t most_remembered_;
  std::mutex mutex_;
  StackSets sets_;                                                     // guarded by mutex_
  std::unordered_map<uint32_t, std::shared_ptr<const Local>> locals_;  // guarded by mutex_
};

}  // namespace isthmus::grammar
