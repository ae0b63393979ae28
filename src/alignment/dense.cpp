#include "alignment/dense.h"

#include <cmath>

#include "alignment/quantiles.h"

namespace isthmus::alignment {
namespace {

using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
// Metrics divide by the variance; below this share of the squared scale it is rounding.
constexpr double kConstantShare = 1e-20;

}  // namespace

Matrix dense(const Rows& rows) {
  if (rows.floats())
    return Eigen::Map<const FloatMatrix>(rows.floats(), rows.rows(), rows.cols()).cast<double>();
  return Eigen::Map<const Matrix>(rows.doubles(), rows.rows(), rows.cols());
}

int64_t count_non_finite_rows(const Rows& rows) {
  int64_t count = 0;
  for (int64_t r = 0; r < rows.rows(); ++r) {
    bool finite = true;
    for (int64_t c = 0; c < rows.cols() && finite; ++c) finite = std::isfinite(rows.at(r, c));
    if (!finite) ++count;
  }
  return count;
}

std::vector<double> row_norms(const Matrix& x) {
  std::vector<double> norms;
  for (int64_t r = 0; r < x.rows(); ++r) norms.push_back(x.row(r).norm());
  return norms;
}

Vector squared_row_norms(const Matrix& x) { return x.rowwise().squaredNorm(); }

int64_t count_zero_rows(const Matrix& x) {
  int64_t count = 0;
  for (int64_t r = 0; r < x.rows(); ++r)
    if (x.row(r).isZero(0)) ++count;
  return count;
}

Matrix unit_rows(const Matrix& x) {
  Matrix unit = x;
  for (int64_t r = 0; r < x.rows(); ++r) {
    const double norm = x.row(r).norm();
    if (norm > 0) unit.row(r) /= norm;
  }
  return unit;
}

Matrix centred(const Matrix& x) { return x.rowwise() - x.colwise().mean(); }

double total_variance(const Matrix& centred_rows) {
  return centred_rows.squaredNorm() / static_cast<double>(centred_rows.rows() - 1);
}

bool is_constant(const Matrix& x, const Matrix& centred_rows) {
  const double scale = x.squaredNorm() / static_cast<double>(x.rows());
  return total_variance(centred_rows) <= kConstantShare * scale;
}

double cosine(const Vector& a, const Vector& b) {
  const double norms = a.norm() * b.norm();
  return norms > 0 ? a.dot(b) / norms : 0;
}

TwoSets read_clouds(const Rows& media, const Rows& text) {
  TwoSets sets;
  sets.remarks.non_finite_rows = count_non_finite_rows(media) + count_non_finite_rows(text);
  if (media.cols() != text.cols())
    sets.reason = Reason::kShapeMismatch;
  else if (sets.remarks.non_finite_rows > 0)
    sets.reason = Reason::kNonFinite;
  else if (media.rows() < 1 || text.rows() < 1)
    sets.reason = Reason::kTooFewSamples;
  if (sets.reason) return sets;
  sets.media = dense(media);
  sets.text = dense(text);
  return sets;
}

TwoSets read_pairs(const Rows& x, const Rows& y, int64_t least) {
  TwoSets sets;
  sets.remarks.non_finite_rows = count_non_finite_rows(x) + count_non_finite_rows(y);
  if (x.rows() != y.rows())
    sets.reason = Reason::kShapeMismatch;
  else if (sets.remarks.non_finite_rows > 0)
    sets.reason = Reason::kNonFinite;
  else if (x.rows() < least)
    sets.reason = Reason::kTooFewSamples;
  if (sets.reason) return sets;
  sets.media = dense(x);
  sets.text = dense(y);
  return sets;
}

std::optional<double> text_scale(const Matrix& text) {
  const double norm = mean(row_norms(text));
  if (norm > 0) return 1 / norm;
  return std::nullopt;
}

Matrix squared_distances(const Matrix& a, const Matrix& b) {
  // ‖a‖² + ‖b‖² - 2 a·b loses least when both are near the origin, so their common mean goes first.
  const Eigen::RowVectorXd origin =
      (a.colwise().sum() + b.colwise().sum()) / static_cast<double>(a.rows() + b.rows());
  const Matrix from = a.rowwise() - origin, to = b.rowwise() - origin;
  Matrix distances = -2 * from * to.transpose();
  distances.colwise() += squared_row_norms(from);
  distances.rowwise() += squared_row_norms(to).transpose();
  return distances.cwiseMax(0);
}

}  // namespace isthmus::alignment
