#include "metrics/bootstrap.h"

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "metrics/bleu.h"
#include "metrics/metrics_testing.h"

namespace isthmus::metrics {
namespace {

std::vector<double> uniform_values(size_t count) {
  Rng rng(1);
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) values.push_back(rng.uniform());
  return values;
}

TEST(Bootstrap, EqualSeedsGiveEqualIntervals) {
  const std::vector<double> values = uniform_values(50);
  const ConfidenceInterval first = bootstrap_mean(values, {.resamples = 200, .seed = 4});
  const ConfidenceInterval again = bootstrap_mean(values, {.resamples = 200, .seed = 4});
  const ConfidenceInterval other = bootstrap_mean(values, {.resamples = 200, .seed = 5});
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(first.low, other.low);
}

TEST(Bootstrap, CoversTheMeanByItsStandardError) {
  // Uniform on [0, 1): standard error sqrt(1/12/2000) = 0.00645, 95 % within 1.96 of them.
  const std::vector<double> values = uniform_values(2000);
  double mean = 0;
  for (const double value : values) mean += value / 2000;
  const ConfidenceInterval interval = bootstrap_mean(values, {.resamples = 4000, .seed = 2});
  EXPECT_NEAR(interval.low, mean - 1.96 * 0.00645, 0.001);
  EXPECT_NEAR(interval.high, mean + 1.96 * 0.00645, 0.001);
  EXPECT_EQ(interval.undefined, 0);
}

TEST(Bootstrap, OneItemHasNoSpread) {
  const ConfidenceInterval interval = bootstrap_mean(std::vector{0.25}, {});
  EXPECT_EQ(interval.low, 0.25);
  EXPECT_EQ(interval.high, 0.25);
}

TEST(Bootstrap, TakesCorpusStatistics) {
  const std::vector<BleuCounts> counts =
      bleu_counts(std::vector<CaptionItem>{{"a b c d e", {"a b c d e"}}, {"a b c d", {"x y z w"}}});
  const ConfidenceInterval interval = bootstrap(
      2, [&](std::span<const int64_t> chosen) { return bleu_of(counts, chosen)[0]; }, {});
  EXPECT_NEAR(interval.low, 0, 1e-9);
  EXPECT_NEAR(interval.high, 1, 1e-9);
}

TEST(Bootstrap, LeavesUndefinedResamplesOutAndCountsThem) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto statistic = [nan](std::span<const int64_t> chosen) {
    return chosen[0] == 0 ? nan : 3.0;
  };
  const ConfidenceInterval interval = bootstrap(2, statistic, {.resamples = 100});
  EXPECT_EQ(interval.low, 3);
  EXPECT_GT(interval.undefined, 20);
  EXPECT_LT(interval.undefined, 80);
  const ConfidenceInterval never = bootstrap(2, [nan](auto) { return nan; }, {.resamples = 10});
  EXPECT_TRUE(std::isnan(never.low) && std::isnan(never.high));
  EXPECT_EQ(never.undefined, 10);
}

TEST(Bootstrap, OptionsThatMakeNoSenseAreErrors) {
  EXPECT_EQ(message_of<UsageError>([] { bootstrap_mean({}, {}); }),
            "confidence interval: there is no item to draw from");
  EXPECT_EQ(message_of<UsageError>([] { bootstrap_mean(std::vector{1.0}, {.resamples = 0}); }),
            "confidence interval: 0 resamples, expected at least one");
  EXPECT_EQ(message_of<UsageError>([] { bootstrap_mean(std::vector{1.0}, {.level = 1}); }),
            "confidence interval: level 1, expected between 0 and 1");
}

}  // namespace
}  // namespace isthmus::metrics
