// Against the expected number of tokens a pass gives, summed over all outcomes.
#include "generation/guess_pace.h"

#include <cmath>

#include <gtest/gtest.h>

namespace isthmus::generation {
namespace {

// Guesses that are right with probability `rate`, each on its own, give i + 1 tokens with
// probability rate^i (1 - rate), and all of them with rate^guesses.
int64_t best_by_enumeration(double rate, int64_t most, double cost) {
  int64_t best = 0;
  double highest = 1;
  for (int64_t guesses = 1; guesses <= most; ++guesses) {
    double tokens = 0;
    for (int64_t right = 0; right < guesses; ++right)
      tokens += std::pow(rate, right) * (1 - rate) * static_cast<double>(right + 1);
    tokens += std::pow(rate, guesses) * static_cast<double>(guesses + 1);
    const double speed = tokens / (1 + cost * static_cast<double>(guesses));
    if (speed > highest) {
      highest = speed;
      best = guesses;
    }
  }
  return best;
}

TEST(GuessPace, SettlesOnTheNumberThatGivesMostTokensForTheTime) {
  // Of ten guesses as many are right as the rate says, spread evenly.
  for (const double cost : {0.05, 0.2, 0.4})
    for (const int64_t right_of_ten : {5, 7, 9}) {
      GuessPace pace(12, cost);
      int64_t sum = 0;
      const double rate = static_cast<double>(right_of_ten) / 10;
      int64_t tried = 0;
      constexpr int64_t kRounds = 400;
      for (int64_t round = 0; round < kRounds; ++round) {
        ++tried;
        const bool right = tried * right_of_ten / 10 > (tried - 1) * right_of_ten / 10;
        pace.note(1, right ? 1 : 0);
        sum += pace.next();
      }
      const auto want = static_cast<double>(best_by_enumeration(rate, 12, cost));
      EXPECT_NEAR(static_cast<double>(sum) / kRounds, want, std::max(1.2, 0.4 * want))
          << cost << ", " << right_of_ten;
    }
}

TEST(GuessPace, WhatIsAlwaysRightIsGuessedInFull) {
  GuessPace pace(6, 0.1);
  for (int i = 0; i < 20; ++i) pace.note(6, 6);
  EXPECT_EQ(pace.next(), 6);
}

TEST(GuessPace, WhatIsNeverRightIsAskedEverMoreRarely) {
  GuessPace pace(8, 0.2);
  int64_t guessed = 0, passes_with_guesses = 0;
  constexpr int64_t kPasses = 400;
  for (int64_t pass = 0; pass < kPasses; ++pass) {
    const int64_t guesses = pace.next();
    guessed += guesses;
    if (guesses > 0) {
      ++passes_with_guesses;
      pace.note(guesses, 0);
    }
  }
  // A few at first, then one in 33 passes.
  EXPECT_LE(guessed, 40);
  EXPECT_GE(passes_with_guesses, kPasses / 33);
  EXPECT_LE(passes_with_guesses, kPasses / 33 + 14);
}

TEST(GuessPace, GoesBackToWorkWhenGuessesAreRightAgain) {
  GuessPace pace(8, 0.2);
  for (int64_t pass = 0; pass < 200; ++pass)
    if (const int64_t guesses = pace.next(); guesses > 0) pace.note(guesses, 0);
  int64_t passes = 0, guesses = 0;
  while (guesses < 3 && passes < 200) {
    ++passes;
    guesses = pace.next();
    if (guesses > 0) pace.note(guesses, guesses);
  }
  EXPECT_EQ(guesses, 3);
  EXPECT_LE(passes, 80);
}

TEST(GuessPace, NothingIsGuessedWhereNothingIsAllowed) {
  GuessPace pace(0, 0.1);
  EXPECT_EQ(pace.next(), 0);
}

}  // namespace
}  // namespace isthmus::generation
