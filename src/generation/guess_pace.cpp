#include "generation/guess_pace.h"

#include <algorithm>

namespace isthmus::generation {
namespace {

constexpr double kMemory = 0.85;  // of what the guess before it counts
constexpr int64_t kShortestPause = 4, kLongestPause = 32;

}  // namespace

int64_t GuessPace::best() const {
  const double rate = right_ / tried_;
  // A pass gives one token and those of the guesses that are right up to the first wrong one.
  double tokens = 1, all_right = 1, most_per_time = 1;
  int64_t best = 0;
  for (int64_t guesses = 1; guesses <= most_; ++guesses) {
    all_right *= rate;
    tokens += all_right;
    const double per_time = tokens / (1 + cost_ * static_cast<double>(guesses));
    if (per_time > most_per_time) {
      most_per_time = per_time;
      best = guesses;
    }
  }
  return best;
}

int64_t GuessPace::next() {
  if (waiting_ > 0) {
    --waiting_;
    return 0;
  }
  return std::min(most_, std::max<int64_t>(best(), 1));
}

void GuessPace::note(int64_t guessed, int64_t right) {
  // Behind the first wrong guess nothing was tried.
  for (int64_t i = 0; i < std::min(guessed, right + 1); ++i) {
    right_ = kMemory * right_ + (i < right ? 1 : 0);
    tried_ = kMemory * tried_ + 1;
  }
  if (guessed == 0) return;
  pause_ = best() > 0 ? 0 : std::clamp(2 * pause_, kShortestPause, kLongestPause);
  waiting_ = pause_;
}

}  // namespace isthmus::generation
