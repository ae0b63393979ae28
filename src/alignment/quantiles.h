// Order statistics of a few numbers.
#pragma once

#include <span>
#include <vector>

namespace isthmus::alignment {

// Linear interpolation at position (n - 1) share of the sorted values; of at least one.
double quantile(std::vector<double> values, double share);
double median(std::vector<double> values);        // of an even count the mean of the middle two
double lower_median(std::vector<double> values);  // of an even count the lower of the middle two
double mean(std::span<const double> values);
double sample_deviation(std::span<const double> values);  // divisor n - 1

}  // namespace isthmus::alignment
