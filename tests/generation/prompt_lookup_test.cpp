#include "generation/prompt_lookup.h"

#include <gtest/gtest.h>

namespace isthmus::generation {
namespace {

using Ids = std::vector<int64_t>;

TEST(PromptLookup, GivesWhatFollowedTheLastTokens) {
  EXPECT_EQ(look_up(Ids{7, 1, 2, 3, 4, 5, 1, 2, 3}, 2), (Ids{4, 5}));
  EXPECT_EQ(look_up(Ids{7, 1, 2, 3, 4, 5, 1, 2, 3}, 9), (Ids{4, 5, 1, 2, 3}));
  // Two tokens do where three stood nowhere; the latest place counts.
  EXPECT_EQ(look_up(Ids{2, 3, 4, 2, 3, 5, 9, 2, 3}, 1), (Ids{5}));
  // Three tokens before two, wherever they stand.
  EXPECT_EQ(look_up(Ids{1, 2, 3, 4, 2, 3, 5, 1, 2, 3}, 1), (Ids{4}));
  // A loop goes on as one.
  EXPECT_EQ(look_up(Ids{6, 6, 6, 6}, 3), (Ids{6}));
}

TEST(PromptLookup, GuessesNothingWhereNothingRepeats) {
  EXPECT_EQ(look_up(Ids{1, 2, 3, 4, 3}, 4), Ids{});
  EXPECT_EQ(look_up(Ids{1, 2, 1, 2}, 0), Ids{});
  EXPECT_EQ(look_up(Ids{1}, 4), Ids{});
  EXPECT_EQ(look_up(Ids{}, 4), Ids{});
}

}  // namespace
}  // namespace isthmus::generation
