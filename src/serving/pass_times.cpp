#include "serving/pass_times.h"

#include <algorithm>

namespace isthmus::serving {
namespace {

constexpr double kNewest = 0.05;     // its weight in the means
constexpr double kMostSurprise = 3;  // times what was expected: a machine has hiccups of its own

void mix(double& mean, double value, double weight) { mean += weight * (value - mean); }

}  // namespace

void PassTimes::note(int64_t writing_now, int64_t prompt_rows, double seconds) {
  if (prompt_rows == 0) {
    note_writing(static_cast<double>(writing_now), seconds);
    return;
  }
  const double rows = static_cast<double>(prompt_rows);
  if (per_prompt_row_ == 0) {
    per_prompt_row_ = seconds / (rows + static_cast<double>(writing_now));
    return;
  }
  const double expected = writing(writing_now) + per_prompt_row_ * rows;
  const double each = (std::min(seconds, kMostSurprise * expected) - writing(writing_now)) / rows;
  // Of a pass of few rows the time is mostly that of the answers, and its noise too.
  constexpr double kManyRows = 64;
  mix(per_prompt_row_, std::max(each, 0.1 * per_prompt_row_),
      kNewest * std::min(rows / kManyRows, 4.0));
}

double PassTimes::writing(int64_t answers) const {
  const auto n = static_cast<double>(answers);
  return count_ > 0 ? fixed_ + per_answer_ * n : per_prompt_row_ * n;
}

void PassTimes::note_writing(double answers, double seconds) {
  if (count_ > 0) seconds = std::min(seconds, kMostSurprise * (fixed_ + per_answer_ * answers));
  ++count_;
  const double weight = std::max(kNewest, 1 / static_cast<double>(count_));
  mix(answers_, answers, weight);
  mix(seconds_, seconds, weight);
  mix(squares_, answers * answers, weight);
  mix(products_, answers * seconds, weight);
  // Passes of nearly the same size do not tell the two apart: then the slope stays as it was.
  const double variance = squares_ - answers_ * answers_;
  constexpr double kLeastSpread = 0.01;  // of the mean, squared
  if (variance > kLeastSpread * answers_ * answers_)
    per_answer_ =
        std::clamp((products_ - answers_ * seconds_) / variance, 0.0, seconds_ / answers_);
  per_answer_ = std::min(per_answer_, seconds_ / answers_);
  fixed_ = seconds_ - per_answer_ * answers_;
}

}  // namespace isthmus::serving
