#include "metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "base/rng.h"
#include "isthmus/error.h"

namespace isthmus::metrics {
namespace {

// `sorted` is not empty.
double percentile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - std::floor(position)) * (sorted[above] - sorted[below]);
}

}  // namespace

ConfidenceInterval bootstrap(int64_t items,
                             const std::function<double(std::span<const int64_t>)>& statistic,
                             const BootstrapOptions& options) {
  if (items < 1) throw UsageError("confidence interval: there is no item to draw from");
  if (options.resamples < 1)
    throw UsageError(
        fmt::format("confidence interval: {} resamples, expected at least one", options.resamples));
  if (!(options.level > 0 && options.level < 1))
    throw UsageError(
        fmt::format("confidence interval: level {}, expected between 0 and 1", options.level));
  Rng rng(options.seed);
  ConfidenceInterval interval;
  std::vector<int64_t> chosen(static_cast<size_t>(items));
  std::vector<double> statistics;
  for (int64_t i = 0; i < options.resamples; ++i) {
    // 53 bits over at most millions of items: the bias is below 1e-9.
    for (int64_t& index : chosen)
      index = std::min(items - 1, static_cast<int64_t>(rng.uniform() * static_cast<double>(items)));
    const double value = statistic(chosen);
    if (std::isnan(value))
      ++interval.undefined;
    else
      statistics.push_back(value);
  }
  if (statistics.empty()) {
    interval.low = interval.high = std::numeric_limits<double>::quiet_NaN();
    return interval;
  }
  std::sort(statistics.begin(), statistics.end());
  interval.low = percentile(statistics, (1 - options.level) / 2);
  interval.high = percentile(statistics, (1 + options.level) / 2);
  return interval;
}

ConfidenceInterval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options) {
  return bootstrap(
      static_cast<int64_t>(values.size()),
      [values](std::span<const int64_t> chosen) {
        double sum = 0;
        for (const int64_t i : chosen) sum += values[static_cast<size_t>(i)];
        return sum / static_cast<double>(chosen.size());
      },
      options);
}

}  // namespace isthmus::metrics
