// Is A better than B on the same items?
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alignment/resampling.h"
#include "alignment/value.h"

namespace isthmus::alignment {

struct PairedComparison {
  double mean_a, mean_b, mean_difference;  // a - b
  Interval mean_a_ci95, difference_ci95;   // percentile bootstrap with the same indices
  Value t, t_p;                            // paired t test, two-sided, n - 1 degrees of freedom
  int64_t t_df;
  double signflip_p;     // two-sided permutation test: the one to report
  Value cohen_dz;        // mean / deviation of the differences
  Value smallest_shown;  // 2.8 standard errors: what n items show with a power of 80 % at 5 %
};
// a, b: one value per item, of at least one item and as many (InternalError otherwise).
PairedComparison paired_comparison(std::span<const double> a, std::span<const double> b,
                                   const Resampling& bootstrap = {.samples = 2000},
                                   const Resampling& signflip = {.samples = 4000});

// p of |mean| under random signs: all 2^n of them up to n = 16, else drawn ones, where the
// observed signs count as one more.
double signflip_p(std::span<const double> differences,
                  const Resampling& signflip = {.samples = 4000});

// Exact two-sided McNemar test: b items only the one got right, c items only the other.
double mcnemar_p(int64_t b, int64_t c);

// Adjusted p-values for several metrics or layers, in the order given.               Holm 1979
std::vector<double> holm(std::span<const double> p);

// P(|T| >= |t|) of Student's t with `df` degrees of freedom.
double student_t_p(double t, double df);

}  // namespace isthmus::alignment
