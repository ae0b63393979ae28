#include "alignment/routing.h"

#include <cmath>
#include <cstddef>

#include "alignment/cka.h"
#include "alignment/dense.h"
#include "base/check.h"

namespace isthmus::alignment {
namespace {

double entropy(const Vector& p) {
  double nats = 0;
  for (const double share : p)
    if (share > 0) nats -= share * std::log(share);
  return nats;
}

Routing none(Reason reason, size_t experts) {
  const std::vector<Value> each(experts, reason);
  return {
      each, reason,   reason, reason, each, std::vector(experts, each), std::vector(experts, each),
      each, Remarks{}};
}

// The mean over rows of an expert's part of the row's sum.
Value mean_share(const Matrix& contribution, int64_t expert) {
  const Vector sums = contribution.rowwise().sum();
  if (sums.minCoeff() <= 0) return Reason::kZeroScale;
  return contribution.col(expert).cwiseQuotient(sums).mean();
}

// mean_r ‖mix - mix^{-k}‖ / ‖mix‖ with mix^{-k} = (mix - w_k z_k) / (1 - w_k).
Value ablation(const Matrix& mix, const Vector& weights, const Matrix& out) {
  double sum = 0;
  for (int64_t r = 0; r < mix.rows(); ++r) {
    const double rest = 1 - weights(r), norm = mix.row(r).norm();
    if (rest <= 0 || norm <= 0) return Reason::kZeroScale;  // nothing is left to compare with
    const Eigen::RowVectorXd without = (mix.row(r) - weights(r) * out.row(r)) / rest;
    sum += (mix.row(r) - without).norm() / norm;
  }
  return sum / static_cast<double>(mix.rows());
}

}  // namespace

Routing expert_routing(const Rows& routing, std::span<const Rows> expert_out) {
  const size_t experts = expert_out.size();
  ISTHMUS_CHECK(std::ssize(expert_out) == routing.cols() && experts > 0, "one output per expert");
  int64_t non_finite = count_non_finite_rows(routing);
  for (const Rows& out : expert_out) {
    ISTHMUS_CHECK(out.rows() == routing.rows() && out.cols() == expert_out[0].cols(),
                  "every expert sees the same rows");
    non_finite += count_non_finite_rows(out);
  }
  if (non_finite > 0) {
    Routing result = none(Reason::kNonFinite, experts);
    result.remarks.non_finite_rows = non_finite;
    return result;
  }
  Routing result = none(Reason::kTooFewSamples, experts);
  if (routing.rows() < 1) return result;

  const Matrix w = dense(routing);
  const double rows = static_cast<double>(w.rows());
  const Vector usage = w.colwise().mean();
  double row_entropy = 0;
  for (int64_t r = 0; r < w.rows(); ++r) row_entropy += entropy(w.row(r)) / rows;
  result.specialisation_nats = entropy(usage) - row_entropy;
  if (experts > 1) {  // ln 1 = 0
    const double most = std::log(static_cast<double>(experts));
    result.usage_entropy_normalised = entropy(usage) / most;
    result.row_entropy_normalised = row_entropy / most;
  }

  std::vector<Matrix> out;
  Matrix mix = Matrix::Zero(w.rows(), expert_out[0].cols());
  Matrix contribution(w.rows(), w.cols());  // ‖w z‖
  for (size_t k = 0; k < experts; ++k) {
    const auto column = static_cast<int64_t>(k);
    out.push_back(dense(expert_out[k]));
    const Matrix weighted = out[k].array().colwise() * w.col(column).array();
    contribution.col(column) = weighted.rowwise().norm();
    mix += weighted;
  }
  for (size_t a = 0; a < experts; ++a) {
    const auto column = static_cast<int64_t>(a);
    result.usage[a] = usage(column);
    result.contribution_share[a] = mean_share(contribution, column);
    result.ablation_change[a] = ablation(mix, w.col(column), out[a]);
    for (size_t b = 0; b < experts; ++b) {
      double sum = 0;
      for (int64_t r = 0; r < w.rows(); ++r) sum += cosine(out[a].row(r), out[b].row(r));
      result.expert_cosine[a][b] = sum / rows;
      result.expert_cka[a][b] = linear_cka(expert_out[a], expert_out[b]).cka;
    }
  }
  return result;
}

}  // namespace isthmus::alignment
