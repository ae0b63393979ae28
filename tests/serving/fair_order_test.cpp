#include "serving/fair_order.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace isthmus::serving {
namespace {

TEST(FairOrder, WhoAsksOnceComesBeforeTheSecondOfWhoAskedMuch) {
  FairOrder order;
  std::vector<int64_t> many;
  for (int i = 0; i < 100; ++i) many.push_back(order.turn_of("many", 1));
  const int64_t once = order.turn_of("once", 1);
  EXPECT_EQ(once, many[0]);
  EXPECT_LT(once, many[1]);
  EXPECT_TRUE(std::ranges::is_sorted(many));
}

TEST(FairOrder, NobodySavesUpTurns) {
  FairOrder order;
  for (int i = 0; i < 10; ++i) order.begins(order.turn_of("busy", 1));
  const int64_t late = order.turn_of("late", 1);
  EXPECT_EQ(late, 9);  // of what begins now, and not 0
  EXPECT_EQ(order.turn_of("late", 1), 10);
  EXPECT_EQ(order.turn_of("busy", 1), 10);
}

TEST(FairOrder, AQuestionWithManyAnswersTakesAsManyTurns) {
  FairOrder order;
  EXPECT_EQ(order.turn_of("a", 5), 0);
  EXPECT_EQ(order.turn_of("a", 1), 5);
  EXPECT_EQ(order.turn_of("b", 1), 0);
}

}  // namespace
}  // namespace isthmus::serving
