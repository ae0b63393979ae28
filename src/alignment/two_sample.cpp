#include "alignment/two_sample.h"

#include <vector>

#include "alignment/dense.h"
#include "alignment/quantiles.h"

namespace isthmus::alignment {
namespace {

constexpr double kKernelScales[] = {0.25, 0.5, 1, 2, 4};

// Distances after text scaling, within and between; a row is at distance 0 from itself.
struct SquaredDistances {
  Matrix media, text, cross;
};

SquaredDistances all_distances(const Matrix& v, const Matrix& t) {
  SquaredDistances d{squared_distances(v, v), squared_distances(t, t), squared_distances(v, t)};
  d.media.diagonal().setZero();
  d.text.diagonal().setZero();
  return d;
}

double pairs(int64_t rows) { return static_cast<double>(rows) * static_cast<double>(rows - 1); }

double squared(int64_t rows) { return static_cast<double>(rows) * static_cast<double>(rows); }

void append_upper(std::vector<double>& to, const Matrix& d) {
  for (int64_t i = 0; i < d.rows(); ++i)
    for (int64_t j = i + 1; j < d.cols(); ++j) to.push_back(d(i, j));
}

Matrix kernel(const Matrix& squared_distances, double median) {
  Matrix sum = Matrix::Zero(squared_distances.rows(), squared_distances.cols());
  for (const double scale : kKernelScales)
    sum.array() += (squared_distances.array() / (-scale * median)).exp();
  return sum / static_cast<double>(std::size(kKernelScales));
}

}  // namespace

EnergyDistance energy_distance(const Rows& media, const Rows& text) {
  TwoSets sets = read_clouds(media, text);
  const auto scale = sets.reason ? std::nullopt : text_scale(sets.text);
  if (!sets.reason && !scale) sets.reason = Reason::kZeroScale;
  if (sets.reason) {
    const Value none = *sets.reason;
    return {none, none, none, none, none, sets.remarks};
  }
  const SquaredDistances d = all_distances(*scale * sets.media, *scale * sets.text);
  const int64_t m = media.rows(), s = text.rows();
  const double cross = d.cross.cwiseSqrt().mean();
  const double v_sum = d.media.cwiseSqrt().sum(), t_sum = d.text.cwiseSqrt().sum();
  const double biased = 2 * cross - v_sum / squared(m) - t_sum / squared(s);
  const auto share = [cross](const Value& energy) {
    if (!energy.is_defined()) return energy;
    return cross > 0 ? Value(energy.number / (2 * cross)) : Value(Reason::kZeroVariance);
  };
  Value unbiased = Reason::kTooFewSamples;
  if (m >= 2 && s >= 2) unbiased = 2 * cross - v_sum / pairs(m) - t_sum / pairs(s);
  return {cross, biased, unbiased, share(biased), share(unbiased), sets.remarks};
}

NamedValues EnergyDistance::named() const {
  return {{"mean_cross_distance", mean_cross_distance},
          {"energy_v", energy_v},
          {"energy_u", energy_u},
          {"energy_coefficient", energy_coefficient},
          {"energy_coefficient_unbiased", energy_coefficient_unbiased}};
}

Mmd mmd(const Rows& media, const Rows& text) {
  TwoSets sets = read_clouds(media, text);
  const auto scale = sets.reason ? std::nullopt : text_scale(sets.text);
  if (!sets.reason && !scale) sets.reason = Reason::kZeroScale;
  if (sets.reason) return {*sets.reason, *sets.reason, *sets.reason, sets.remarks};
  const SquaredDistances d = all_distances(*scale * sets.media, *scale * sets.text);
  const int64_t m = media.rows(), s = text.rows();
  std::vector<double> pooled(d.cross.data(), d.cross.data() + d.cross.size());
  append_upper(pooled, d.media);
  append_upper(pooled, d.text);
  const double middle = median(std::move(pooled));
  if (middle <= 0) return {middle, Reason::kZeroVariance, Reason::kZeroVariance, sets.remarks};

  const double cross = kernel(d.cross, middle).mean();
  const double v_sum = kernel(d.media, middle).sum(), t_sum = kernel(d.text, middle).sum();
  Value unbiased = Reason::kTooFewSamples;
  if (m >= 2 && s >= 2)  // k(x, x) = 1
    unbiased = (v_sum - static_cast<double>(m)) / pairs(m) +
               (t_sum - static_cast<double>(s)) / pairs(s) - 2 * cross;
  return {middle, unbiased, v_sum / squared(m) + t_sum / squared(s) - 2 * cross, sets.remarks};
}

NamedValues Mmd::named() const {
  return {{"median_sq_distance", median_sq_distance},
          {"mmd2_unbiased", mmd2_unbiased},
          {"mmd2_biased", mmd2_biased}};
}

}  // namespace isthmus::alignment
