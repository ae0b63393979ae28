// How many tokens to guess at once.
#pragma once

#include <cstdint>

namespace isthmus::generation {

// From how many of the last guesses were right: the number that makes most tokens for the time it
// takes.        Leviathan et al. 2023 (arXiv 2211.17192), theorem 3.8, with the cost of checking
// It depends on tokens alone and not on a clock, so the same request takes the same passes.
class GuessPace {
 public:
  // At most `most` at once. `cost`: what one more guess takes, to make and to check, in passes over
  // a single token.
  GuessPace(int64_t most, double cost) : most_(most), cost_(cost) {}

  // 0: not in this pass. Where guesses do not pay one is made now and then, ever more rarely, to
  // see whether the text has become easier.
  int64_t next();
  // Of `guessed` tokens the first `right` were.
  void note(int64_t guessed, int64_t right);

 private:
  int64_t best() const;  // 0: no guess pays

  int64_t most_;
  double cost_;
  // Late guesses count more. Whoever guesses is first taken to be right four times in five.
  double right_ = 1.6, tried_ = 2;
  int64_t waiting_ = 0, pause_ = 0;  // passes
};

}  // namespace isthmus::generation
