// How sure is a number? Items, never tokens, are what is drawn.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "alignment/value.h"

namespace isthmus::alignment {

struct Interval {
  double low = 0, high = 0;
};

struct Resampling {
  int64_t samples;
  uint64_t seed = 0;
};

// For means and ratios of sums: 2.5 and 97.5 % quantiles of the statistics of resamples with
// replacement. All statistics of one resample see the same item indices. Throws InternalError if
// there is no item or no sample.                                  Efron 1979, percentile bootstrap
using Statistics = std::function<std::vector<double>(std::span<const int64_t> chosen)>;
std::vector<Interval> bootstrap(int64_t items, const Statistics& statistics,
                                const Resampling& resampling = {.samples = 2000});
Interval bootstrap_mean(std::span<const double> values,
                        const Resampling& resampling = {.samples = 2000});

// For statistics of pairs and distances (CKA, Fréchet, energy, MMD, retrieval), which items drawn
// twice would bias: subsets of half of the items, without replacement.    Shao & Wu 1989, delete-d
struct HalfSample {
  Value estimate;        // of all items
  Value mean;            // of the subsets
  Value standard_error;  // sqrt(h / (n - h) · variance over the subsets), h = n / 2
  Interval ci95;         // estimate ± 1.96 standard errors
  NamedValues named() const;
};
HalfSample half_sample(int64_t items,
                       const std::function<Value(std::span<const int64_t> chosen)>& statistic,
                       const Resampling& resampling = {.samples = 200});

}  // namespace isthmus::alignment
