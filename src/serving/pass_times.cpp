#include "serving/pass_times.h"

#include <algorithm>

namespace isthmus::serving {

void PassTimes::note(int64_t rows, double seconds) {
  constexpr double kNewest = 0.05, kMostSurprise = 3;
  const auto x = static_cast<double>(rows);
  // One pass that the machine held up for reasons of its own says little about the next.
  const double y = count_ == 0 ? seconds : std::min(seconds, kMostSurprise * seconds_of(rows));
  ++count_;
  const double weight = std::max(kNewest, 1 / static_cast<double>(count_));
  const auto mix = [&](double& mean, double value) { mean += weight * (value - mean); };
  mix(rows_, x);
  mix(seconds_, y);
  mix(rows_squared_, x * x);
  mix(product_, x * y);
  // Passes of nearly the same size do not tell the two apart: then the old slope stays. With none,
  // all is put down to the rows, which makes pieces of prompts smaller, not larger.
  const double variance = rows_squared_ - rows_ * rows_;
  constexpr double kLeastSpread = 0.01;  // of the mean, squared
  if (per_row_ == 0) per_row_ = seconds_ / std::max(rows_, 1.0);
  if (variance > kLeastSpread * rows_ * rows_)
    per_row_ = std::clamp((product_ - rows_ * seconds_) / variance, 0.01 * seconds_ / rows_,
                          seconds_ / rows_);
  fixed_ = std::max(0.0, seconds_ - per_row_ * rows_);
}

}  // namespace isthmus::serving
