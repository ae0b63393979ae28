#include "serving/pass_times.h"

#include <gtest/gtest.h>

namespace isthmus::serving {
namespace {

double of_writing(int64_t answers) { return 0.2 + 0.01 * static_cast<double>(answers); }

PassTimes after_passes_of_two_sizes() {
  PassTimes times;
  for (int i = 0; i < 50; ++i) {
    const int64_t answers = i % 2 == 0 ? 4 : 16;
    times.note(answers, 0, of_writing(answers));
  }
  return times;
}

TEST(PassTimes, FindTheLineBehindPassesOfDifferentSizes) {
  EXPECT_EQ(PassTimes().writing(10), 0);
  EXPECT_NEAR(after_passes_of_two_sizes().writing(32), of_writing(32), 1e-6);
}

TEST(PassTimes, ASlopeOnceKnownStaysWhileSizesDoNotChange) {
  PassTimes times = after_passes_of_two_sizes();
  for (int i = 0; i < 400; ++i) times.note(8, 0, of_writing(8));
  EXPECT_NEAR(times.writing(8), of_writing(8), 1e-3);
  EXPECT_NEAR(times.writing(16), of_writing(16), 2e-2);
}

TEST(PassTimes, APromptCostsWhatAPassTakesLonger) {
  PassTimes times;
  times.note(0, 200, 1);
  EXPECT_NEAR(times.per_prompt_row(), 0.005, 1e-9);
  EXPECT_NEAR(times.writing(10), 0.05, 1e-9);  // as if rows were all alike
  for (int i = 0; i < 50; ++i) times.note(i % 2 == 0 ? 4 : 16, 0, of_writing(i % 2 == 0 ? 4 : 16));
  for (int i = 0; i < 400; ++i) times.note(8, 40, of_writing(8) + 40 * 0.004);
  EXPECT_NEAR(times.per_prompt_row(), 0.004, 1e-4);
}

TEST(PassTimes, OnePassThatWasHeldUpChangesLittle) {
  PassTimes times = after_passes_of_two_sizes();
  times.note(4, 0, 100);
  EXPECT_LT(times.writing(4), 1.4 * of_writing(4));
}

}  // namespace
}  // namespace isthmus::serving
