// Rows as matrices of doubles. Only this folder's sources include this file: Eigen is slow to
// compile.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <Eigen/Core>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

Matrix dense(const Rows& rows);
int64_t count_non_finite_rows(const Rows& rows);

std::vector<double> row_norms(const Matrix& x);
Vector squared_row_norms(const Matrix& x);
int64_t count_zero_rows(const Matrix& x);
Matrix unit_rows(const Matrix& x);  // 0 stays 0
Matrix centred(const Matrix& x);    // minus the mean row; of at least one row
// Trace of the covariance, divisor n - 1; of at least two rows, already centred.
double total_variance(const Matrix& centred_rows);
// Total variance at most 1e-20 of the mean squared row norm.
bool is_constant(const Matrix& x, const Matrix& centred_rows);
double cosine(const Vector& a, const Vector& b);  // 0 if one of them is 0

// Two sets of rows, with the first reason why nothing can be said of them.
struct TwoSets {
  Matrix media, text;  // empty if there is a reason
  std::optional<Reason> reason;
  Remarks remarks;
};
// Same widths, finite, at least one row each.
TwoSets read_clouds(const Rows& media, const Rows& text);
// Row k of one belongs to row k of the other; widths may differ. At least `least` pairs.
TwoSets read_pairs(const Rows& x, const Rows& y, int64_t least);

// 1 / mean norm of the text rows; nothing if that mean is 0.
std::optional<double> text_scale(const Matrix& text);

// Squared Euclidean distances [a.rows, b.rows], never negative.
Matrix squared_distances(const Matrix& a, const Matrix& b);

}  // namespace isthmus::alignment
