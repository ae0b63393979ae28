#include "alignment/norms.h"

#include <cmath>
#include <vector>

#include "alignment/dense.h"
#include "alignment/quantiles.h"

namespace isthmus::alignment {
namespace {

struct Summary {
  Value mean, median, p05, p95;
};

Summary summary(const Rows& rows) {
  if (count_non_finite_rows(rows) > 0)
    return {Reason::kNonFinite, Reason::kNonFinite, Reason::kNonFinite, Reason::kNonFinite};
  if (rows.rows() < 1)
    return {Reason::kTooFewSamples, Reason::kTooFewSamples, Reason::kTooFewSamples,
            Reason::kTooFewSamples};
  const std::vector<double> norms = row_norms(dense(rows));
  return {mean(norms), median(norms), quantile(norms, 0.05), quantile(norms, 0.95)};
}

Value ratio(const Value& media, const Value& text) {
  if (text.number == 0) return Reason::kZeroScale;
  return media.number / text.number;
}

Value log2_of(const Value& ratio) {
  if (!ratio.is_defined()) return ratio;
  if (ratio.number <= 0) return Reason::kNotPositive;
  return std::log2(ratio.number);
}

}  // namespace

NormRatio norm_ratio(const Rows& media, const Rows& text) {
  const TwoSets sets = read_clouds(media, text);
  const Summary m = summary(media), t = summary(text);
  const Value of_mean = sets.reason ? Value(*sets.reason) : ratio(m.mean, t.mean);
  const Value of_median = sets.reason ? Value(*sets.reason) : ratio(m.median, t.median);
  return {
      m.mean,    m.median,           m.p05,       m.p95, t.mean, t.median, t.p05, t.p95, of_mean,
      of_median, log2_of(of_median), sets.remarks};
}

NamedValues NormRatio::named() const {
  return {{"media_mean", media_mean},
          {"media_median", media_median},
          {"media_p05", media_p05},
          {"media_p95", media_p95},
          {"text_mean", text_mean},
          {"text_median", text_median},
          {"text_p05", text_p05},
          {"text_p95", text_p95},
          {"ratio_mean", ratio_mean},
          {"ratio_median", ratio_median},
          {"log2_ratio_median", log2_ratio_median}};
}

}  // namespace isthmus::alignment
