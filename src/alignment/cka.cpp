#include "alignment/cka.h"

#include <cmath>

#include "alignment/dense.h"

namespace isthmus::alignment {
namespace {

// From the Gram matrices K, L of centred rows; their diagonals are the squared norms of the rows.
double unbiased_hsic(const Matrix& k, const Matrix& l) {
  const double n = static_cast<double>(k.rows());
  const auto a = k.diagonal(), b = l.diagonal();
  const double sum =
      k.cwiseProduct(l).sum() - n / (n - 2) * a.dot(b) + a.sum() * b.sum() / ((n - 1) * (n - 2));
  return sum / (n * (n - 3));
}

}  // namespace

Cka linear_cka(const Rows& x, const Rows& y) {
  const TwoSets sets = read_pairs(x, y, 2);
  if (sets.reason) {
    const Value none = *sets.reason;
    return {none, none, none, sets.remarks};
  }
  const Matrix x_centred = centred(sets.media), y_centred = centred(sets.text);
  if (is_constant(sets.media, x_centred) || is_constant(sets.text, y_centred))
    return {Reason::kZeroVariance, Reason::kZeroVariance, Reason::kZeroVariance, sets.remarks};
  const Matrix k = x_centred * x_centred.transpose(), l = y_centred * y_centred.transpose();
  const double plain = k.cwiseProduct(l).sum() / (k.norm() * l.norm());
  if (x.rows() < 4) return {plain, Reason::kTooFewSamples, Reason::kTooFewSamples, sets.remarks};
  const double cross = unbiased_hsic(k, l);
  const double x_self = unbiased_hsic(k, k), y_self = unbiased_hsic(l, l);
  if (x_self <= 0 || y_self <= 0) return {plain, Reason::kNotPositive, cross, sets.remarks};
  return {plain, cross / std::sqrt(x_self * y_self), cross, sets.remarks};
}

NamedValues Cka::named() const {
  return {{"cka", cka}, {"cka_debiased", cka_debiased}, {"hsic_unbiased", hsic_unbiased}};
}

}  // namespace isthmus::alignment
