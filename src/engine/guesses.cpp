#include "engine/guesses.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "generation/prompt_lookup.h"

namespace isthmus::engine {
namespace {

// Of one more row in a pass over weights that are read for one anyway: with weights of 4 bits
// multiplying catches up with reading at eight to ten rows.
constexpr double kCostOfChecking = 0.1;

}  // namespace

PromptLookup::PromptLookup(std::span<const families::Segment> prompt) {
  for (const families::Segment& segment : prompt)
    if (const auto* text = std::get_if<families::TextSegment>(&segment))
      text_.insert(text_.end(), text->ids.begin(), text->ids.end());
  prompt_length_ = text_.size();
}

std::vector<int64_t> PromptLookup::guess(std::span<const int64_t> answer, int64_t most) {
  const auto known = static_cast<std::ptrdiff_t>(text_.size() - prompt_length_);
  text_.insert(text_.end(), answer.begin() + known, answer.end());
  return generation::look_up(text_, most);
}

void Guesses::add(std::unique_ptr<GuessSource> source, int64_t most) {
  const double cost = source->cost() + kCostOfChecking;
  sources_.push_back({std::move(source), generation::GuessPace(most, cost)});
}

std::vector<int64_t> Guesses::next(std::span<const int64_t> answer, int64_t room) {
  asked_ = nullptr;
  being_checked_ = 0;
  for (Source& source : sources_) {
    // The pass that checks gives one token more than there are guesses.
    const int64_t most = std::min(source.pace.next(), room - 1);
    if (most <= 0) continue;
    std::vector<int64_t> guesses = source.source->guess(answer, most);
    guesses.erase(std::ranges::find_first_of(guesses, never_), guesses.end());
    if (guesses.empty()) continue;
    asked_ = &source;
    being_checked_ = std::ssize(guesses);
    return guesses;
  }
  return {};
}

void Guesses::note(int64_t right) {
  if (asked_ == nullptr) return;
  asked_->pace.note(being_checked_, right);
  guessed_ += being_checked_;
  right_ += right;
  asked_ = nullptr;
}

}  // namespace isthmus::engine
