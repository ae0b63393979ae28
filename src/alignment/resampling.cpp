#include "alignment/resampling.h"

#include <cmath>
#include <cstddef>
#include <numeric>

#include "alignment/generator.h"
#include "alignment/quantiles.h"
#include "base/check.h"

namespace isthmus::alignment {
namespace {

constexpr double kNormalQuantile = 1.96;  // 97.5 %

}  // namespace

std::vector<Interval> bootstrap(int64_t items, const Statistics& statistics,
                                const Resampling& resampling) {
  ISTHMUS_CHECK(items > 0 && resampling.samples > 0, "nothing to draw from");
  SplitMix64 random(resampling.seed);
  std::vector<std::vector<double>> columns;
  for (int64_t i = 0; i < resampling.samples; ++i) {
    const std::vector<double> values = statistics(draw_resample(random, items));
    columns.resize(values.size());
    for (size_t s = 0; s < values.size(); ++s) columns[s].push_back(values[s]);
  }
  std::vector<Interval> intervals;
  for (const auto& column : columns)
    intervals.push_back({quantile(column, 0.025), quantile(column, 0.975)});
  return intervals;
}

Interval bootstrap_mean(std::span<const double> values, const Resampling& resampling) {
  const auto mean_of = [values](std::span<const int64_t> chosen) -> std::vector<double> {
    double sum = 0;
    for (const int64_t i : chosen) sum += values[static_cast<size_t>(i)];
    return {sum / static_cast<double>(chosen.size())};
  };
  return bootstrap(std::ssize(values), mean_of, resampling)[0];
}

HalfSample half_sample(int64_t items,
                       const std::function<Value(std::span<const int64_t> chosen)>& statistic,
                       const Resampling& resampling) {
  ISTHMUS_CHECK(resampling.samples > 0, "no subset to draw");
  std::vector<int64_t> all(static_cast<size_t>(items));
  std::iota(all.begin(), all.end(), int64_t{0});
  HalfSample result{statistic(all), Reason::kTooFewSamples, Reason::kTooFewSamples, {}};
  const int64_t half = items / 2;
  if (half < 1) return result;
  SplitMix64 random(resampling.seed);
  std::vector<double> values;
  for (int64_t i = 0; i < resampling.samples; ++i) {
    const Value value = statistic(draw_subset(random, items, half));
    if (!value.is_defined()) {
      result.mean = result.standard_error = value.reason;
      return result;
    }
    values.push_back(value.number);
  }
  const double centre = mean(values);
  double spread = 0;
  for (const double value : values) spread += (value - centre) * (value - centre);
  const double inflation = static_cast<double>(half) / static_cast<double>(items - half);
  const double error = std::sqrt(inflation * spread / static_cast<double>(values.size()));
  result.mean = centre;
  result.standard_error = error;
  result.ci95 = {result.estimate.number - kNormalQuantile * error,
                 result.estimate.number + kNormalQuantile * error};
  return result;
}

NamedValues HalfSample::named() const {
  return {{"estimate", estimate}, {"mean", mean}, {"standard_error", standard_error}};
}

}  // namespace isthmus::alignment
