#include "alignment/gap.h"

#include <cmath>

#include "alignment/dense.h"

namespace isthmus::alignment {

CentroidGap centroid_gap(const Rows& media, const Rows& text) {
  const TwoSets sets = read_clouds(media, text);
  if (sets.reason) {
    const Value none = *sets.reason;
    return {none, none, none, none, none, none, sets.remarks};
  }
  const Matrix &v = sets.media, &t = sets.text;
  const Vector v_mean = v.colwise().mean(), t_mean = t.colwise().mean();
  const Vector unit_gap = unit_rows(v).colwise().mean() - unit_rows(t).colwise().mean();
  const double gap = (v_mean - t_mean).norm();

  Value standardised = Reason::kTooFewSamples, debiased = Reason::kTooFewSamples;
  if (v.rows() >= 2 && t.rows() >= 2) {
    const Matrix v_centred = centred(v), t_centred = centred(t);
    const double v_trace = total_variance(v_centred), t_trace = total_variance(t_centred);
    standardised = is_constant(v, v_centred) && is_constant(t, t_centred)
                       ? Value(Reason::kZeroVariance)
                       : Value(gap / std::sqrt((v_trace + t_trace) / 2));
    debiased = gap * gap - v_trace / static_cast<double>(v.rows()) -
               t_trace / static_cast<double>(t.rows());
  }
  const auto scale = text_scale(t);
  CentroidGap result{.gap_unit = unit_gap.norm(),
                     .gap_raw = gap,
                     .gap_text_scaled = scale ? Value(*scale * gap) : Value(Reason::kZeroScale),
                     .gap_standardised = standardised,
                     .gap_sq_debiased = debiased,
                     .centroid_cosine = cosine(v_mean, t_mean),
                     .remarks = sets.remarks};
  result.remarks.zero_norm_rows = count_zero_rows(v) + count_zero_rows(t);
  if (result.remarks.zero_norm_rows > 0) result.remarks.warnings.push_back(Warning::kZeroNormRows);
  return result;
}

NamedValues CentroidGap::named() const {
  return {{"gap_unit", gap_unit},
          {"gap_raw", gap_raw},
          {"gap_text_scaled", gap_text_scaled},
          {"gap_standardised", gap_standardised},
          {"gap_sq_debiased", gap_sq_debiased},
          {"centroid_cosine", centroid_cosine}};
}

PairedGap paired_gap(const Rows& x, const Rows& y) {
  TwoSets sets = read_pairs(x, y, 1);
  if (!sets.reason && x.cols() != y.cols()) sets.reason = Reason::kShapeMismatch;
  if (sets.reason) return {*sets.reason, *sets.reason, *sets.reason, sets.remarks};
  const Matrix a = unit_rows(sets.media), b = unit_rows(sets.text);
  const double items = static_cast<double>(a.rows());
  PairedGap result{.raw = (a - b).squaredNorm() / items,
                   .centroid = (a.colwise().mean() - b.colwise().mean()).squaredNorm(),
                   .distribution = (centred(a) - centred(b)).squaredNorm() / items,
                   .remarks = sets.remarks};
  result.remarks.zero_norm_rows = count_zero_rows(a) + count_zero_rows(b);
  if (result.remarks.zero_norm_rows > 0) result.remarks.warnings.push_back(Warning::kZeroNormRows);
  return result;
}

NamedValues PairedGap::named() const {
  return {{"raw", raw}, {"centroid", centroid}, {"distribution", distribution}};
}

}  // namespace isthmus::alignment
