#include "alignment/frechet.h"

#include <algorithm>
#include <cmath>

#include "alignment/decompositions.h"
#include "alignment/frechet_terms.h"

namespace isthmus::alignment {
namespace {

// tr((Σ_V Σ_T)^{1/2}) = ‖V_c T_cᵀ‖_* / sqrt((m-1)(s-1)): the non-zero eigenvalues of Σ_V Σ_T are
// those of the Gram matrix of V_c T_cᵀ. Exact for any rank, and no d × d matrix.
double trace_by_rows(const Matrix& v, const Matrix& t) {
  return singular_values(v * t.transpose()).sum();
}

// With many rows in a narrow space: Σ_T = UΛUᵀ, and the eigenvalues of Λ^{1/2} Uᵀ Σ_V U Λ^{1/2}.
double trace_by_columns(const Matrix& v, const Matrix& t) {
  const SymmetricEigen of_text = symmetric_eigen(t.transpose() * t);
  const Matrix turned = v * of_text.vectors * of_text.values.cwiseMax(0).cwiseSqrt().asDiagonal();
  const SymmetricEigen product = symmetric_eigen(turned.transpose() * turned);
  return product.values.cwiseMax(0).cwiseSqrt().sum();
}

Matrix every_second(const Matrix& x, int64_t first, int64_t count) {
  Matrix chosen(count, x.cols());
  for (int64_t i = 0; i < count; ++i) chosen.row(i) = x.row(first + 2 * i);
  return chosen;
}

}  // namespace

FrechetTerms frechet_terms(const Matrix& v, const Matrix& t) {
  const Matrix v_centred = centred(v), t_centred = centred(t);
  const double divisor = static_cast<double>(v.rows() - 1) * static_cast<double>(t.rows() - 1);
  const bool few_rows = std::min(v.rows(), t.rows()) <= v.cols();
  const double root =
      few_rows ? trace_by_rows(v_centred, t_centred) : trace_by_columns(v_centred, t_centred);
  const double product = few_rows ? (v_centred * t_centred.transpose()).squaredNorm()
                                  : ((v_centred.transpose() * v_centred)
                                         .cwiseProduct(t_centred.transpose() * t_centred)
                                         .sum());
  return {.mean_term = (v.colwise().mean() - t.colwise().mean()).squaredNorm(),
          .trace_media = total_variance(v_centred),
          .trace_text = total_variance(t_centred),
          .trace_sqrt = root / std::sqrt(divisor),
          .trace_product = product / divisor};
}

Frechet frechet_text_scaled(const Rows& media, const Rows& text) {
  TwoSets sets = read_clouds(media, text);
  if (!sets.reason && (media.rows() < 2 || text.rows() < 2)) sets.reason = Reason::kTooFewSamples;
  const auto scale = sets.reason ? std::nullopt : text_scale(sets.text);
  if (!sets.reason && !scale) sets.reason = Reason::kZeroScale;
  if (sets.reason) {
    const Value none = *sets.reason;
    return {none, none, none, none, none, sets.remarks};
  }
  const FrechetTerms terms = frechet_terms(*scale * sets.media, *scale * sets.text);
  Frechet result{terms.mean_term,  terms.trace_media, terms.trace_text,
                 terms.trace_sqrt, terms.distance(),  sets.remarks};
  if (std::min(media.rows(), text.rows()) <= media.cols())
    result.remarks.warnings.push_back(Warning::kRankDeficient);
  return result;
}

NamedValues Frechet::named() const {
  return {{"mean_term", mean_term},
          {"trace_media", trace_media},
          {"trace_text", trace_text},
          {"trace_sqrt", trace_sqrt},
          {"frechet", frechet}};
}

FrechetFloor frechet_floor(const Rows& media, const Rows& text) {
  TwoSets sets = read_clouds(media, text);
  const int64_t half = text.rows() / 2;
  if (!sets.reason && (half < 2 || media.rows() < half)) sets.reason = Reason::kTooFewSamples;
  const auto scale = sets.reason ? std::nullopt : text_scale(sets.text);
  if (!sets.reason && !scale) sets.reason = Reason::kZeroScale;
  if (sets.reason) return {half, *sets.reason, *sets.reason, *sets.reason, sets.remarks};
  const Matrix even = *scale * every_second(sets.text, 0, half);
  const Matrix odd = *scale * every_second(sets.text, 1, half);
  const double distance = frechet_terms(*scale * sets.media.topRows(half), even).distance();
  const double floor = frechet_terms(even, odd).distance();
  return {half, distance, floor, distance - floor, sets.remarks};
}

NamedValues FrechetFloor::named() const {
  return {{"rows", static_cast<double>(rows)},
          {"frechet", frechet},
          {"floor", floor},
          {"excess", excess}};
}

}  // namespace isthmus::alignment
