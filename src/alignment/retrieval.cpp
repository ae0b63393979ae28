#include "alignment/retrieval.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>

#include "alignment/dense.h"
#include "alignment/quantiles.h"

namespace isthmus::alignment {
namespace {

constexpr double kTie = 1e-9;
constexpr int64_t kFewItems = 20;

RankSummary summary_of_rows(const Matrix& scores, const std::vector<int64_t>& ks, bool* tied) {
  RankSummary result{};
  for (int64_t i = 0; i < scores.rows(); ++i) {
    double rank = 1;
    for (int64_t j = 0; j < scores.cols(); ++j) {
      const double lead = scores(i, j) - scores(i, i);
      if (lead > kTie) {
        rank += 1;
      } else if (j != i && lead >= -kTie) {
        rank += 0.5;
        *tied = true;
      }
    }
    result.ranks.push_back(rank);
    result.mrr += 1 / rank / static_cast<double>(scores.rows());
  }
  for (const int64_t k : ks) {
    const auto hits = std::count_if(result.ranks.begin(), result.ranks.end(),
                                    [k](double rank) { return rank <= static_cast<double>(k); });
    result.recall.push_back(static_cast<double>(hits) / static_cast<double>(scores.rows()));
  }
  result.median_rank = median(result.ranks);
  return result;
}

RetrievalScore judge(const Matrix& scores, const std::vector<int64_t>& ks, bool* tied) {
  return {summary_of_rows(scores, ks, tied), summary_of_rows(scores.transpose(), ks, tied)};
}

// The mean of the k largest entries of every row.
Vector neighbourhood(const Matrix& scores, int64_t k) {
  k = std::clamp<int64_t>(k, 1, scores.cols());
  Vector means(scores.rows());
  for (int64_t i = 0; i < scores.rows(); ++i) {
    std::vector<double> row(scores.row(i).begin(), scores.row(i).end());
    std::partial_sort(row.begin(), row.begin() + k, row.end(), std::greater<>());
    means(i) = mean({row.data(), static_cast<size_t>(k)});
  }
  return means;
}

Matrix without_hubs(const Matrix& cosines, int64_t k) {
  Matrix scores = 2 * cosines;
  scores.colwise() -= neighbourhood(cosines, k);
  scores.rowwise() -= neighbourhood(cosines.transpose(), k).transpose();
  return scores;
}

Matrix minus_mean(const Matrix& x, const std::optional<Rows>& mean) {
  if (!mean) return centred(x);
  return x.rowwise() - Eigen::RowVectorXd(dense(*mean).row(0));
}

double off_diagonal_mean(const Matrix& cosines) {
  const double n = static_cast<double>(cosines.rows());
  return (cosines.sum() - cosines.trace()) / (n * (n - 1));
}

}  // namespace

Retrieval cross_item_retrieval(const Rows& x, const Rows& y, const RetrievalOptions& options) {
  TwoSets sets = read_pairs(x, y, 2);
  if (x.cols() != y.cols()) sets.reason = Reason::kShapeMismatch;
  Retrieval result{};
  result.remarks = sets.remarks;
  if (sets.reason) {
    result.reason = *sets.reason;
    return result;
  }
  const Matrix cosines = unit_rows(sets.media) * unit_rows(sets.text).transpose();
  const Matrix centred_cosines = unit_rows(minus_mean(sets.media, options.media_mean)) *
                                 unit_rows(minus_mean(sets.text, options.text_mean)).transpose();
  bool tied = false;
  result.raw = judge(cosines, options.k, &tied);
  result.centred = judge(centred_cosines, options.k, &tied);
  result.csls = judge(without_hubs(cosines, options.csls_k), options.k, &tied);
  for (const int64_t k : options.k)
    result.chance.push_back(std::min(1.0, static_cast<double>(k) / static_cast<double>(x.rows())));
  result.matched_cosine = cosines.diagonal().mean();
  result.unmatched_cosine = off_diagonal_mean(cosines);
  result.matched_cosine_centred = centred_cosines.diagonal().mean();
  result.unmatched_cosine_centred = off_diagonal_mean(centred_cosines);

  Remarks& remarks = result.remarks;
  remarks.zero_norm_rows = count_zero_rows(sets.media) + count_zero_rows(sets.text);
  if (remarks.zero_norm_rows > 0) remarks.warnings.push_back(Warning::kZeroNormRows);
  if (tied) remarks.warnings.push_back(Warning::kTiedSimilarities);
  if (x.rows() < kFewItems) remarks.warnings.push_back(Warning::kFewItems);
  if (!options.media_mean || !options.text_mean)
    remarks.warnings.push_back(Warning::kInSampleCentring);
  return result;
}

}  // namespace isthmus::alignment
