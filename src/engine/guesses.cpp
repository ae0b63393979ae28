#include "engine/guesses.h"

#include <algorithm>
#include <variant>

#include "generation/prompt_lookup.h"

namespace isthmus::engine {

Guesses::Guesses(std::span<const families::Segment> prompt, int64_t most, int64_t marker)
    : most_(most), marker_(marker) {
  if (most_ == 0) return;
  for (const families::Segment& segment : prompt)
    if (const auto* text = std::get_if<families::TextSegment>(&segment))
      text_.insert(text_.end(), text->ids.begin(), text->ids.end());
}

Tensor Guesses::step(Rows& rows, int64_t token, int64_t room) {
  if (most_ == 0) return rows.last_logits(rows.step({&token, 1}));
  text_.push_back(token);
  if (chosen_ < guessed_.size() && guessed_[chosen_] == token) {
    ++chosen_;
  } else {
    drop(rows);
    guessed_ = generation::look_up(text_, std::min(most_, room - 1));
    guessed_.erase(std::ranges::find(guessed_, marker_), guessed_.end());
    std::vector<int64_t> tokens = {token};
    tokens.insert(tokens.end(), guessed_.begin(), guessed_.end());
    logits_ = rows.all_logits(rows.step(tokens)).squeeze(0);
  }
  return logits_.narrow(0, static_cast<int64_t>(chosen_), 1);
}

void Guesses::drop(Rows& rows) {
  rows.retract(static_cast<int64_t>(guessed_.size() - chosen_));
  guessed_.clear();
  chosen_ = 0;
}

}  // namespace isthmus::engine
