#include "alignment/faithfulness.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "alignment/generator.h"
#include "alignment/quantiles.h"
#include "base/check.h"

namespace isthmus::alignment {
namespace {

// Ranks from 1; equal numbers share the mean of theirs.
std::vector<double> ranks_of(std::span<const double> numbers) {
  std::vector<size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return numbers[a] < numbers[b]; });
  std::vector<double> ranks(numbers.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && numbers[order[end]] == numbers[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i)
      ranks[order[i]] = (static_cast<double>(begin + 1) + static_cast<double>(end)) / 2;
    begin = end;
  }
  return ranks;
}

}  // namespace

double Occlusion::completeness_residual() const {
  return f_all - f_none - std::accumulate(scores.begin(), scores.end(), 0.0);
}

Occlusion occlusion(int64_t units, const Scorer& scorer) {
  std::vector<uint8_t> present(static_cast<size_t>(units), 0);
  Occlusion result{.scores = {}, .f_all = 0, .f_none = scorer(present)};
  std::fill(present.begin(), present.end(), uint8_t{1});
  result.f_all = scorer(present);
  for (uint8_t& unit : present) {
    unit = 0;
    result.scores.push_back(result.f_all - scorer(present));
    unit = 1;
  }
  return result;
}

std::vector<double> gradient_times_input(std::span<const double> gradient,
                                         std::span<const double> input,
                                         std::span<const double> fill,
                                         std::span<const int64_t> unit_of_element, int64_t units) {
  ISTHMUS_CHECK(gradient.size() == input.size() && fill.size() == input.size() &&
                    unit_of_element.size() == input.size(),
                "every element has a gradient, a fill and a unit");
  std::vector<double> scores(static_cast<size_t>(units), 0);
  for (size_t e = 0; e < input.size(); ++e)
    scores.at(static_cast<size_t>(unit_of_element[e])) += gradient[e] * (input[e] - fill[e]);
  return scores;
}

std::vector<int64_t> order_of(std::span<const double> scores) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  return order;
}

std::vector<std::vector<int64_t>> random_orders(int64_t units, int64_t count, uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<std::vector<int64_t>> orders;
  for (int64_t i = 0; i < count; ++i) orders.push_back(draw_subset(random, units, units));
  return orders;
}

std::vector<double> masking_curve(Masking masking, std::span<const int64_t> order,
                                  const Scorer& scorer) {
  const uint8_t after = masking == Masking::kInsertion ? 1 : 0;
  std::vector<uint8_t> present(order.size(), static_cast<uint8_t>(1 - after));
  std::vector<double> curve = {std::exp(scorer(present))};
  for (const int64_t unit : order) {
    present.at(static_cast<size_t>(unit)) = after;
    curve.push_back(std::exp(scorer(present)));
  }
  return curve;
}

double area_under(std::span<const double> curve) {
  ISTHMUS_CHECK(curve.size() >= 2, "an area needs a step");
  const double sum = std::accumulate(curve.begin(), curve.end(), 0.0);
  return (sum - (curve.front() + curve.back()) / 2) / static_cast<double>(curve.size() - 1);
}

Faithfulness faithfulness(Masking masking, std::span<const int64_t> order,
                          std::span<const std::vector<int64_t>> random, const Scorer& scorer) {
  ISTHMUS_CHECK(random.size() >= 2, "two random orders are the least that has a spread");
  const double sign = masking == Masking::kInsertion ? 1 : -1;
  Faithfulness result{.curve = masking_curve(masking, order, scorer),
                      .auc = 0,
                      .random_auc_mean = 0,
                      .random_auc_sd = 0,
                      .advantage = 0,
                      .z = Reason::kZeroVariance,
                      .p = 1};
  result.auc = area_under(result.curve);
  std::vector<double> areas;
  int64_t as_good = 0;
  for (const auto& other : random) {
    areas.push_back(area_under(masking_curve(masking, other, scorer)));
    if (sign * areas.back() >= sign * result.auc) ++as_good;
  }
  result.random_auc_mean = mean(areas);
  result.random_auc_sd = sample_deviation(areas);
  result.advantage = sign * (result.auc - result.random_auc_mean);
  if (result.random_auc_sd > 0) result.z = result.advantage / result.random_auc_sd;
  result.p = static_cast<double>(1 + as_good) / static_cast<double>(random.size() + 1);
  return result;
}

Value spearman(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) return Reason::kShapeMismatch;
  if (a.size() < 2) return Reason::kTooFewSamples;
  const std::vector<double> x = ranks_of(a), y = ranks_of(b);
  const double centre = mean(x);  // of y as well
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - centre) * (y[i] - centre);
    xx += (x[i] - centre) * (x[i] - centre);
    yy += (y[i] - centre) * (y[i] - centre);
  }
  if (xx <= 0 || yy <= 0) return Reason::kZeroVariance;
  return xy / std::sqrt(xx * yy);
}

}  // namespace isthmus::alignment
