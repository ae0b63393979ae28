#include "grammar/stack_sets.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::grammar {

namespace {

constexpr size_t kMostWork = 4'000'000;  // half a second
constexpr size_t kManyFrames = 500'000;
constexpr size_t kManySets = 50'000;
constexpr size_t kMostRows = 8'000;  // 8 MB
// Most sets are passed through once; a table of where they lead is worth it for the others.
constexpr uint32_t kStepsBeforeRow = 4;

uint64_t key_of(uint32_t state, uint32_t below) { return uint64_t{state} << 32 | below; }

}  // namespace

size_t StackSets::HashOfSet::operator()(std::span<const Frame> stacks) const {
  uint64_t hash = 0x9E3779B97F4A7C15u;
  for (const Frame stack : stacks) {
    hash = (hash ^ stack) * 0xFF51AFD7ED558CCDu;
    hash ^= hash >> 32;
  }
  return hash;
}

bool StackSets::SameSet::operator()(std::span<const Frame> a, Set b) const {
  return std::ranges::equal(a, owner->stacks(b));
}

StackSets::StackSets(std::shared_ptr<const Automaton> automaton)
    : automaton_(std::move(automaton)), set_numbers_(16, HashOfSet{this}, SameSet{this}) {
  clear();
}

void StackSets::clear() {
  frames_.assign(1, {0, kBottom});
  frame_numbers_.clear();
  pool_.clear();
  set_numbers_.clear();
  sets_.clear();
  rows_.clear();
  set_of({});  // kNone
}

StackSets::Frame StackSets::frame(uint32_t state, Frame below) {
  const auto next = static_cast<Frame>(frames_.size());
  const auto [found, is_new] = frame_numbers_.try_emplace(key_of(state, below), next);
  if (is_new) frames_.push_back({state, below});
  return found->second;
}

StackSets::Set StackSets::set_of(std::span<const Frame> stacks) {
  if (const auto found = set_numbers_.find(stacks); found != set_numbers_.end()) return *found;
  const auto set = static_cast<Set>(sets_.size());
  sets_.push_back({pool_.size(), static_cast<uint32_t>(stacks.size()), kNoRow, 0});
  pool_.insert(pool_.end(), stacks.begin(), stacks.end());
  set_numbers_.insert(set);
  return set;
}

void StackSets::settle(uint32_t state, Frame below) {
  pending_.push_back({state, below});
  while (!pending_.empty()) {
    const FrameContent top = pending_.back();
    pending_.pop_back();
    if (!settled_.insert(key_of(top.state, top.below)).second) continue;
    if (++work_ > kMostWork) give_up("finding out what may follow takes too long");
    const State& at = automaton_->states[top.state];
    if (!at.bytes.empty()) found_.push_back(frame(top.state, top.below));
    for (const CallEdge& call : at.calls)
      pending_.push_back({automaton_->starts[call.rule], automaton_->states[call.to].is_end()
                                                             ? top.below
                                                             : frame(call.to, top.below)});
    if (!at.accepting) continue;
    if (top.below == kBottom)
      found_.push_back(kBottom);
    else
      pending_.push_back(frames_[top.below]);
  }
}

StackSets::Set StackSets::set_of_found() {
  std::ranges::sort(found_);
  found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
  if (found_.size() > kMostStacks)
    give_up(fmt::format("the text so far can be read in more than {} ways", kMostStacks));
  const Set set = set_of(found_);
  found_.clear();
  settled_.clear();
  return set;
}

void StackSets::give_up(const std::string& why) {
  found_.clear();
  pending_.clear();
  settled_.clear();
  throw UsageError("grammar: too ambiguous: " + why);
}

StackSets::Set StackSets::start() {
  settle(automaton_->starts[automaton_->root], kBottom);
  return set_of_found();
}

StackSets::Set StackSets::alone(uint32_t state) {
  const Frame only = frame(state, kBottom);
  return set_of(std::span(&only, 1));
}

StackSets::Set StackSets::returned(Frame below) {
  if (below == kBottom)
    found_.push_back(kBottom);
  else
    settle(frames_[below].state, frames_[below].below);
  return set_of_found();
}

StackSets::Set StackSets::compute_step(Set set, uint8_t byte) {
  // By numbers: settling adds to what spans would look at.
  const size_t first = sets_[set].first, size = sets_[set].size;
  work_ += size;
  for (size_t i = first; i < first + size; ++i) {
    const FrameContent top = frames_[pool_[i]];
    if (pool_[i] == kBottom) continue;
    for (const ByteEdge& edge : automaton_->states[top.state].bytes)
      if (edge.first <= byte && byte <= edge.last) settle(edge.to, top.below);
  }
  const Set next = set_of_found();
  SetContent& content = sets_[set];
  if (content.row == kNoRow && ++content.steps > kStepsBeforeRow && rows_.size() < kMostRows) {
    content.row = static_cast<uint32_t>(rows_.size());
    std::ranges::fill(rows_.emplace_back().next, kUnknown);
  }
  if (content.row != kNoRow) rows_[content.row].next[byte] = next;
  return next;
}

bool StackSets::is_large() const {
  return frames_.size() > kManyFrames || sets_.size() > kManySets || rows_.size() == kMostRows;
}

StackSets::Set StackSets::keep_only(Set set) {
  const std::vector<FrameContent> old = frames_;
  const std::vector<Frame> tops(stacks(set).begin(), stacks(set).end());
  clear();
  // A frame is made after the one below it, so in the order of their numbers all are found.
  std::vector<bool> wanted(old.size(), false);
  for (const Frame top : tops)
    for (Frame at = top; at != kBottom && !wanted[at]; at = old[at].below) wanted[at] = true;
  std::vector<Frame> moved(old.size(), kBottom);
  for (Frame at = 1; at < old.size(); ++at)
    if (wanted[at]) moved[at] = frame(old[at].state, moved[old[at].below]);
  std::vector<Frame> kept;
  for (const Frame top : tops) kept.push_back(moved[top]);
  std::ranges::sort(kept);
  return set_of(kept);
}

}  // namespace isthmus::grammar
