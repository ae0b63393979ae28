#include "serving/pass_times.h"

#include <gtest/gtest.h>

namespace isthmus::serving {
namespace {

TEST(PassTimes, FindTheLineBehindPassesOfDifferentSizes) {
  PassTimes times;
  EXPECT_EQ(times.seconds_of(10), 0);
  for (int i = 0; i < 50; ++i) {
    const int64_t rows = i % 2 == 0 ? 10 : 40;
    times.note(rows, 0.2 + 0.01 * static_cast<double>(rows));
  }
  EXPECT_NEAR(times.seconds_per_row(), 0.01, 1e-6);
  EXPECT_NEAR(times.seconds_of(100), 1.2, 1e-4);
}

TEST(PassTimes, PassesOfOneSizeArePutDownToTheirRows) {
  PassTimes times;
  for (int i = 0; i < 10; ++i) times.note(16, 0.16);
  EXPECT_NEAR(times.seconds_per_row(), 0.01, 1e-9);
  EXPECT_NEAR(times.seconds_of(16), 0.16, 1e-9);
}

TEST(PassTimes, ASlopeOnceKnownStaysWhileSizesDoNotChange) {
  PassTimes times;
  for (int i = 0; i < 50; ++i) times.note(i % 2 == 0 ? 10 : 40, i % 2 == 0 ? 0.3 : 0.6);
  for (int i = 0; i < 400; ++i) times.note(16, 0.36);
  EXPECT_NEAR(times.seconds_per_row(), 0.01, 1e-3);
  EXPECT_NEAR(times.seconds_of(16), 0.36, 1e-3);
}

TEST(PassTimes, OnePassThatWasHeldUpChangesLittle) {
  PassTimes times;
  for (int i = 0; i < 50; ++i) times.note(i % 2 == 0 ? 10 : 40, i % 2 == 0 ? 0.3 : 0.6);
  times.note(10, 100);
  EXPECT_LT(times.seconds_of(10), 0.4);
}

}  // namespace
}  // namespace isthmus::serving
