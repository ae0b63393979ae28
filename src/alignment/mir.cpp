#include <cmath>
#include <cstddef>

#include "alignment/frechet.h"
#include "alignment/frechet_terms.h"
#include "alignment/quantiles.h"
#include "base/check.h"

namespace isthmus::alignment {
namespace {

constexpr double kOutlierDeviations = 3;
// Rounding of the square roots is of this order of the traces.
constexpr double kRoundingShare = 1e-6;

// Centre is the median, the spread is that about the mean: as the released code has it.
std::vector<int64_t> outliers(const Matrix& x) {
  const std::vector<double> norms = row_norms(x);
  const double centre = lower_median(norms), spread = sample_deviation(norms);
  std::vector<int64_t> found;
  for (size_t r = 0; r < norms.size(); ++r)
    if (std::abs(norms[r] - centre) > kOutlierDeviations * spread)
      found.push_back(static_cast<int64_t>(r));
  return found;
}

// Quirk: the paper removes outliers, its code puts the column-wise median of all rows, outliers
// included, in their place.
Matrix replaced(const Matrix& x, const std::vector<int64_t>& rows) {
  if (rows.empty()) return x;
  Eigen::RowVectorXd middle(x.cols());
  for (int64_t c = 0; c < x.cols(); ++c) {
    const Vector column = x.col(c);
    middle(c) = lower_median({column.begin(), column.end()});
  }
  Matrix result = x;
  for (const int64_t r : rows) result.row(r) = middle;
  return result;
}

Matrix dropped(const Matrix& x, const std::vector<int64_t>& rows) {
  Matrix kept(x.rows() - std::ssize(rows), x.cols());
  size_t next = 0;
  for (int64_t r = 0, to = 0; r < x.rows(); ++r) {
    if (next < rows.size() && rows[next] == r)
      ++next;
    else
      kept.row(to++) = x.row(r);
  }
  return kept;
}

// The logarithm of a sum over layers, beside the sum of traces that says what rounding is.
class LogSum {
 public:
  void add(const Value& distance, double traces) {
    if (reason_ == Reason::kNone) reason_ = distance.reason;
    sum_ += distance.number;
    traces_ += traces;
  }
  Value value() const {
    if (reason_ != Reason::kNone) return reason_;
    if (sum_ <= kRoundingShare * traces_) return Reason::kNotPositive;
    return std::log10(sum_);
  }

 private:
  Reason reason_ = Reason::kNone;
  double sum_ = 0, traces_ = 0;
};

}  // namespace

Mir mir(std::span<const Rows> media, std::span<const Rows> text) {
  ISTHMUS_CHECK(media.size() == text.size(), "every layer has media rows and text rows");
  Mir result{{}, Reason::kTooFewSamples, Reason::kTooFewSamples, Reason::kTooFewSamples, {}};
  if (media.empty()) return result;
  LogSum exact, dropping, product;
  for (size_t l = 0; l < media.size(); ++l) {
    TwoSets sets = read_clouds(media[l], text[l]);
    result.remarks.non_finite_rows += sets.remarks.non_finite_rows;
    if (!sets.reason && (media[l].rows() < 2 || text[l].rows() < 2))
      sets.reason = Reason::kTooFewSamples;
    const auto scale = sets.reason ? std::nullopt : text_scale(sets.text);
    if (!sets.reason && !scale) sets.reason = Reason::kZeroScale;
    if (sets.reason) {
      const Value none = *sets.reason;
      result.layers.push_back({0, {}, {}, none, none, none});
      for (LogSum* sum : {&exact, &dropping, &product}) sum->add(none, 0);
      continue;
    }
    const Matrix v = *scale * sets.media, t = *scale * sets.text;
    const std::vector<int64_t> of_media = outliers(v), of_text = outliers(t);
    const FrechetTerms terms = frechet_terms(replaced(v, of_media), replaced(t, of_text));
    const double traces = terms.trace_media + terms.trace_text;
    const double with_product = terms.mean_term + traces - 2 * terms.trace_product;
    const Matrix v_kept = dropped(v, of_media), t_kept = dropped(t, of_text);
    Value distance_dropped = Reason::kTooFewSamples;
    double traces_dropped = 0;
    if (v_kept.rows() >= 2 && t_kept.rows() >= 2) {
      const FrechetTerms kept = frechet_terms(v_kept, t_kept);
      distance_dropped = kept.distance();
      traces_dropped = kept.trace_media + kept.trace_text;
    }
    exact.add(terms.distance(), traces);
    dropping.add(distance_dropped, traces_dropped);
    product.add(with_product, traces);
    result.layers.push_back(
        {*scale, of_media, of_text, terms.distance(), distance_dropped, with_product});
  }
  result.mir = exact.value();
  result.mir_dropped = dropping.value();
  result.mir_product_trace = product.value();
  return result;
}

NamedValues Mir::named() const {
  return {{"mir", mir}, {"mir_dropped", mir_dropped}, {"mir_product_trace", mir_product_trace}};
}

}  // namespace isthmus::alignment
