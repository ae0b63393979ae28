#include "grammar/token_constraint.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::grammar {

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();
constexpr size_t kMostKnown = 256;
// From so many stacks on, walking them together is faster than one after the other.
constexpr size_t kManyStacks = 4;

}  // namespace

TokenConstraint::TokenConstraint(std::shared_ptr<StateMasks> masks, std::vector<int64_t> end_ids)
    : masks_(std::move(masks)),
      end_ids_(std::move(end_ids)),
      sets_(masks_->automaton()),
      set_(sets_.start()) {}

bool TokenConstraint::ends(int64_t id) const {
  return std::ranges::find(end_ids_, id) != end_ids_.end();
}

void TokenConstraint::forget_if_large() {
  sets_.begin_work();
  if (!sets_.is_large()) return;
  set_ = sets_.keep_only(set_);
  known_.clear();
}

TokenMask TokenConstraint::compute_allowed() {
  const Vocabulary& vocabulary = masks_->vocabulary();
  TokenMask mask(vocabulary.size());
  // Copied: walking adds to what a span would look at.
  const std::vector<StackSets::Frame> stacks(sets_.stacks(set_).begin(), sets_.stacks(set_).end());
  if (stacks.size() > kManyStacks) {
    walk(vocabulary, 0, sets_, set_, mask);
    return mask;
  }
  for (const StackSets::Frame stack : stacks) {
    if (stack == StackSets::kBottom) continue;
    const auto local = masks_->local(sets_.state(stack));
    mask.allow(local->mask);
    if (sets_.below(stack) == StackSets::kBottom || local->escapes.empty()) continue;
    const StackSets::Set below = sets_.returned(sets_.below(stack));
    for (const uint32_t node : local->escapes) walk(vocabulary, node, sets_, below, mask);
  }
  return mask;
}

TokenMask TokenConstraint::compute_allowed_first() {
  const Vocabulary& vocabulary = masks_->vocabulary();
  TokenMask mask = compute_allowed();
  if (!vocabulary.drops_first_space()) return mask;
  const uint32_t space = vocabulary.child(0, ' ');
  if (space == 0) return mask;
  mask.forbid(vocabulary.tokens_below(space));
  walk(vocabulary, space, sets_, set_, mask);
  // How many of several spaces are dropped depends on the tokenizer.
  if (const uint32_t two = vocabulary.child(space, ' '); two != 0)
    mask.forbid(vocabulary.tokens_below(two));
  return mask;
}

const TokenMask& TokenConstraint::allowed() {
  forget_if_large();
  const auto found = known_.find(set_);
  if (found != known_.end()) return found->second;
  if (known_.size() >= kMostKnown) known_.clear();
  return known_.emplace(set_, at_start_ ? compute_allowed_first() : compute_allowed())
      .first->second;
}

bool TokenConstraint::allows(int64_t id) {
  if (ends(id)) return complete();
  return !masks_->vocabulary().bytes(id).empty() && allowed().allows(static_cast<size_t>(id));
}

void TokenConstraint::mask(std::span<float> logits) {
  const TokenMask& mask = allowed();
  std::vector<std::pair<size_t, float>> ends;  // what becomes of them
  bool any_left = false;
  for (const int64_t id : end_ids_)
    if (id >= 0 && std::cmp_less(id, logits.size())) {
      const auto place = static_cast<size_t>(id);
      ends.emplace_back(place, complete() ? logits[place] : kForbidden);
      any_left = any_left || complete();
    }
  const std::span<const uint64_t> words = mask.words();
  for (size_t word = 0; word * 64 < logits.size(); ++word) {
    const uint64_t bits = word < words.size() ? words[word] : 0;
    const auto group = logits.subspan(word * 64, std::min<size_t>(64, logits.size() - word * 64));
    if (bits == 0) {
      std::ranges::fill(group, kForbidden);
    } else if (bits != UINT64_MAX) {
      for (size_t i = 0; i < group.size(); ++i)
        if ((bits >> i & 1) == 0) group[i] = kForbidden;
    }
    any_left = any_left || bits != 0;
  }
  for (const auto& [id, logit] : ends) logits[id] = logit;
  if (!any_left)
    throw UsageError(
        "grammar: no token of this model's vocabulary can follow: the grammar asks for characters "
        "that the vocabulary does not have");
}

void TokenConstraint::accept(int64_t id) {
  if (ends(id)) return;
  forget_if_large();
  std::string_view bytes = masks_->vocabulary().bytes(id);
  if (at_start_ && masks_->vocabulary().drops_first_space() && bytes.starts_with(' '))
    bytes.remove_prefix(1);
  ISTHMUS_CHECK(!bytes.empty(), fmt::format("token {} spells nothing", id));
  StackSets::Set next = set_;
  for (const char byte : bytes) next = sets_.step(next, static_cast<uint8_t>(byte));
  ISTHMUS_CHECK(next != StackSets::kNone, fmt::format("token {} cannot follow", id));
  // What was known of the first place holds for no other, even where the set is the same.
  if (std::exchange(at_start_, false)) known_.clear();
  set_ = next;
}

}  // namespace isthmus::grammar
