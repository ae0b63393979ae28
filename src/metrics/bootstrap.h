// Confidence intervals by resampling (Efron 1979, percentile method).
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace isthmus::metrics {

struct BootstrapOptions {
  int64_t resamples = 1000;
  double level = 0.95;
  uint64_t seed = 0;
};

struct ConfidenceInterval {
  double low = 0, high = 0;
  int64_t undefined = 0;  // resamples whose statistic was NaN; they are left out
};

// `statistic` sees the indices of one resample: `items` draws from 0 to items - 1 with
// replacement. The bounds are percentiles with linear interpolation; both NaN if every resample
// was undefined. The same options give the same interval on every machine (base/rng.h). Throws
// UsageError if there is no item, no resample, or the level is not between 0 and 1.
ConfidenceInterval bootstrap(int64_t items,
                             const std::function<double(std::span<const int64_t>)>& statistic,
                             const BootstrapOptions& options);

// Of the mean of per-item values.
ConfidenceInterval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options);

}  // namespace isthmus::metrics
