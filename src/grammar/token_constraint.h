// One answer that follows a grammar, while it grows.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "grammar/stack_sets.h"
#include "grammar/state_masks.h"

namespace isthmus::grammar {

// For one thread; the masks may be shared with others.
class TokenConstraint {
 public:
  // `end_ids`: tokens that end the answer. They may follow where the grammar is complete and
  // nowhere else; tokens that spell nothing never.
  TokenConstraint(std::shared_ptr<StateMasks> masks, std::vector<int64_t> end_ids);

  // Makes -infinity of the logits of tokens that cannot follow. Throws UsageError when none can,
  // because the vocabulary has no token for what the grammar asks for, or when the grammar is too
  // ambiguous.
  void mask(std::span<float> logits);
  // The token that follows: one that mask() left.
  void accept(int64_t id);
  // Whether the answer may end here.
  bool complete() const { return sets_.complete(set_); }
  // Whether nothing can follow any more, not even an end token.
  bool done() const { return end_ids_.empty() && complete() && sets_.stacks(set_).size() == 1; }
  // Whether accept(id) may come next.
  bool allows(int64_t id);

 private:
  const TokenMask& allowed();
  TokenMask compute_allowed();
  TokenMask compute_allowed_first();
  bool ends(int64_t id) const;
  void forget_if_large();

  std::shared_ptr<StateMasks> masks_;
  std::vector<int64_t> end_ids_;
  StackSets sets_;
  StackSets::Set set_;
  bool at_start_ = true;
  std::unordered_map<StackSets::Set, TokenMask> known_;
};

}  // namespace isthmus::grammar
