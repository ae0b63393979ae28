#include "alignment/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "alignment/generator.h"
#include "alignment/quantiles.h"
#include "base/check.h"

namespace isthmus::alignment {
namespace {

constexpr int64_t kAllSignsUpTo = 16;
constexpr double kSameMean = 1e-12;
constexpr double kPower80 = 2.8;  // 1.96 + 0.84 standard errors

// The continued fraction of the incomplete beta function (Press et al., Numerical Recipes, 6.4),
// by Lentz's method.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300, kPrecision = 1e-15;
  constexpr int kMostTerms = 10000;
  const auto bounded = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1, d = 1 / bounded(1 - (a + b) * x / (a + 1)), fraction = d;
  for (int m = 1; m < kMostTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / bounded(1 + even * d);
    c = bounded(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / bounded(1 + odd * d);
    c = bounded(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < kPrecision) break;
  }
  return fraction;
}

double regularised_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  // The fraction converges fast on this side only.
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

}  // namespace

double student_t_p(double t, double df) { return regularised_beta(df / 2, 0.5, df / (df + t * t)); }

double signflip_p(std::span<const double> differences, const Resampling& signflip) {
  const int64_t n = std::ssize(differences);
  ISTHMUS_CHECK(n > 0, "no differences to compare");
  const double observed = std::abs(mean(differences)) - kSameMean;
  const auto is_as_far = [&](double sum) {
    return std::abs(sum) / static_cast<double>(n) >= observed;
  };
  int64_t count = 0;
  if (n <= kAllSignsUpTo) {
    const int64_t all = int64_t{1} << n;
    for (int64_t signs = 0; signs < all; ++signs) {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i)
        sum += ((signs >> i) & 1 ? 1 : -1) * differences[static_cast<size_t>(i)];
      if (is_as_far(sum)) ++count;
    }
    return static_cast<double>(count) / static_cast<double>(all);
  }
  SplitMix64 random(signflip.seed);
  for (int64_t draw = 0; draw < signflip.samples; ++draw) {
    double sum = 0;
    for (const double difference : differences)
      sum += random.next() >> 63 ? difference : -difference;
    if (is_as_far(sum)) ++count;
  }
  return static_cast<double>(1 + count) / static_cast<double>(signflip.samples + 1);
}

PairedComparison paired_comparison(std::span<const double> a, std::span<const double> b,
                                   const Resampling& resampling, const Resampling& signflip) {
  ISTHMUS_CHECK(a.size() == b.size() && !a.empty(), "comparisons are of the same items");
  std::vector<double> differences(a.size());
  std::transform(a.begin(), a.end(), b.begin(), differences.begin(), std::minus<>());
  const auto means = [&](std::span<const int64_t> chosen) -> std::vector<double> {
    double of_a = 0, of_difference = 0;
    for (const int64_t i : chosen) {
      of_a += a[static_cast<size_t>(i)];
      of_difference += differences[static_cast<size_t>(i)];
    }
    const double count = static_cast<double>(chosen.size());
    return {of_a / count, of_difference / count};
  };
  const int64_t items = std::ssize(a);
  const std::vector<Interval> intervals = bootstrap(items, means, resampling);
  PairedComparison result{.mean_a = mean(a),
                          .mean_b = mean(b),
                          .mean_difference = mean(differences),
                          .mean_a_ci95 = intervals[0],
                          .difference_ci95 = intervals[1],
                          .t = Reason::kTooFewSamples,
                          .t_p = Reason::kTooFewSamples,
                          .t_df = items - 1,
                          .signflip_p = signflip_p(differences, signflip),
                          .cohen_dz = Reason::kTooFewSamples,
                          .smallest_shown = Reason::kTooFewSamples};
  if (items < 2) return result;
  const double deviation = sample_deviation(differences);
  const double error = deviation / std::sqrt(static_cast<double>(items));
  result.smallest_shown = kPower80 * error;
  result.t = result.t_p = result.cohen_dz = Reason::kZeroVariance;
  if (deviation <= 0) return result;
  result.t = result.mean_difference / error;
  result.t_p = student_t_p(result.t.number, static_cast<double>(result.t_df));
  result.cohen_dz = result.mean_difference / deviation;
  return result;
}

double mcnemar_p(int64_t b, int64_t c) {
  const int64_t n = b + c;
  if (n == 0) return 1;
  // Σ C(n, i) / 2^n in logarithms, for n of any size.
  const double total = std::lgamma(static_cast<double>(n + 1));
  double sum = 0;
  for (int64_t i = 0; i <= std::min(b, c); ++i)
    sum += std::exp(total - std::lgamma(static_cast<double>(i + 1)) -
                    std::lgamma(static_cast<double>(n - i + 1)) -
                    static_cast<double>(n) * std::log(2.0));
  return std::min(1.0, 2 * sum);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p[i] < p[j]; });
  std::vector<double> adjusted(p.size());
  double highest = 0;
  for (size_t place = 0; place < order.size(); ++place) {
    highest = std::max(highest, static_cast<double>(p.size() - place) * p[order[place]]);
    adjusted[order[place]] = std::min(1.0, highest);
  }
  return adjusted;
}

}  // namespace isthmus::alignment
