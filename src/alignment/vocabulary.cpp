#include "alignment/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <utility>

#include "alignment/dense.h"
#include "alignment/quantiles.h"
#include "base/check.h"

namespace isthmus::alignment {
namespace {

constexpr int64_t kBlockOfWords = 1024;

Eigen::RowVectorXd row_vector(std::span<const double> numbers, int64_t size) {
  ISTHMUS_CHECK(std::ssize(numbers) == size, "a vector of another width than the rows");
  return Eigen::Map<const Eigen::RowVectorXd>(numbers.data(), size);
}

Reason why_unreadable(const Rows& rows, const Rows& table) {
  if (rows.cols() != table.cols()) return Reason::kShapeMismatch;
  if (count_non_finite_rows(rows) > 0 || count_non_finite_rows(table) > 0)
    return Reason::kNonFinite;
  if (rows.rows() < 1 || table.rows() < 1) return Reason::kTooFewSamples;
  return Reason::kNone;
}

// Calls visit(first id, rows of the table) block by block.
template <typename Visit>
void for_each_block(const Rows& table, Visit visit) {
  for (int64_t first = 0; first < table.rows(); first += kBlockOfWords)
    visit(first, dense(table.slice(first, std::min(kBlockOfWords, table.rows() - first))));
}

Eigen::RowVectorXd mean_embedding(const Rows& embeddings, const std::vector<bool>& is_excluded) {
  Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(embeddings.cols());
  int64_t count = 0;
  for_each_block(embeddings, [&](int64_t first, const Matrix& block) {
    for (int64_t r = 0; r < block.rows(); ++r)
      if (!is_excluded[static_cast<size_t>(first + r)]) {
        sum += block.row(r);
        ++count;
      }
  });
  return sum / static_cast<double>(std::max<int64_t>(count, 1));
}

// f of WordScoring, applied to soft tokens and to blocks of embeddings.
class Mapping {
 public:
  Mapping(const NearestWordOptions& options, int64_t width) : options_(options) {
    if (options.scoring == WordScoring::kNormWeighted)
      weight_ = row_vector(options.norm_weight, width);
  }
  // Unit rows; `mean` is subtracted by kCentred.
  Matrix operator()(Matrix x, const Eigen::RowVectorXd& mean) const {
    if (options_.scoring == WordScoring::kCentred) x.rowwise() -= mean;
    if (options_.scoring == WordScoring::kNormWeighted) {
      if (options_.is_layer_norm) x.colwise() -= Vector(x.rowwise().mean());
      x.array().rowwise() *= weight_.array();
    }
    return unit_rows(x);
  }

 private:
  const NearestWordOptions& options_;
  Eigen::RowVectorXd weight_;
};

// The best of a stream of scored ids.
class BestWords {
 public:
  explicit BestWords(int64_t count) : count_(static_cast<size_t>(count)) {}
  void add(double score, int64_t id) {
    const auto is_better = [](const Scored& a, const Scored& b) {
      return a.first > b.first || (a.first == b.first && a.second < b.second);
    };
    const Scored word{score, id};
    if (best_.size() == count_ && (best_.empty() || !is_better(word, best_.back()))) return;
    best_.insert(std::upper_bound(best_.begin(), best_.end(), word, is_better), word);
    if (best_.size() > count_) best_.pop_back();
  }
  using Scored = std::pair<double, int64_t>;
  const std::vector<Scored>& best() const { return best_; }

 private:
  size_t count_;
  std::vector<Scored> best_;
};

Matrix normed(const Rows& hidden, const FinalNorm& norm) {
  Matrix x = dense(hidden);
  if (norm.is_layer_norm) x.colwise() -= Vector(x.rowwise().mean());
  const Vector scale = (squared_row_norms(x) / static_cast<double>(x.cols())).array() + norm.eps;
  x.array().colwise() /= scale.array().sqrt();
  x.array().rowwise() *= row_vector(norm.weight, x.cols()).array();
  if (!norm.bias.empty()) x.rowwise() += row_vector(norm.bias, x.cols());
  return x;
}

// log Σ exp z, Σ z exp z and the largest z of one row, met block by block.
class SoftmaxSums {
 public:
  void add(const Eigen::Ref<const Eigen::RowVectorXd>& logits, int64_t first_id) {
    Eigen::Index at = 0;
    const double largest = logits.maxCoeff(&at);
    if (largest > top_) {
      const double shrink = std::exp(top_ - largest);
      sum_ *= shrink;
      weighted_ *= shrink;
      top_ = largest;
      top_id_ = first_id + at;
    }
    const auto weights = (logits.array() - top_).exp();
    sum_ += weights.sum();
    weighted_ += (weights * logits.array()).sum();
  }
  int64_t top_id() const { return top_id_; }
  double top_logprob() const { return -std::log(sum_); }
  double entropy() const { return top_ + std::log(sum_) - weighted_ / sum_; }

 private:
  double top_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0, weighted_ = 0;  // times exp(-top_)
  int64_t top_id_ = 0;
};

}  // namespace

NearestWords nearest_words(const Rows& soft, const Rows& embeddings,
                           const NearestWordOptions& options) {
  NearestWords result;
  result.reason = why_unreadable(soft, embeddings);
  if (result.reason != Reason::kNone) return result;
  std::vector<bool> is_excluded(static_cast<size_t>(embeddings.rows()));
  for (const int64_t id : options.excluded)
    if (id >= 0 && id < embeddings.rows()) is_excluded[static_cast<size_t>(id)] = true;

  const Mapping mapping(options, soft.cols());
  const Matrix tokens = dense(soft);
  const Eigen::RowVectorXd token_mean = options.mean_soft_token.empty()
                                            ? Eigen::RowVectorXd(tokens.colwise().mean())
                                            : row_vector(options.mean_soft_token, soft.cols());
  const Eigen::RowVectorXd word_mean = options.scoring == WordScoring::kCentred
                                           ? mean_embedding(embeddings, is_excluded)
                                           : Eigen::RowVectorXd();
  const Matrix from = mapping(tokens, token_mean);
  std::vector<BestWords> best(static_cast<size_t>(soft.rows()), BestWords(options.count));
  for_each_block(embeddings, [&](int64_t first, const Matrix& block) {
    const Matrix cosines = from * mapping(block, word_mean).transpose();
    for (int64_t t = 0; t < cosines.rows(); ++t)
      for (int64_t w = 0; w < cosines.cols(); ++w)
        if (!is_excluded[static_cast<size_t>(first + w)])
          best[static_cast<size_t>(t)].add(cosines(t, w), first + w);
  });

  std::map<int64_t, int64_t> uses;
  int64_t most = 0;
  for (const BestWords& words : best) {
    auto& ids = result.ids.emplace_back();
    auto& cosines = result.cosines.emplace_back();
    for (const auto& [cosine, id] : words.best()) {
      ids.push_back(id);
      cosines.push_back(cosine);
    }
    if (!ids.empty()) most = std::max(most, ++uses[ids.front()]);
  }
  result.top1_distinct_fraction =
      static_cast<double>(uses.size()) / static_cast<double>(soft.rows());
  result.hub_share = static_cast<double>(most) / static_cast<double>(soft.rows());
  return result;
}

WordHits word_hits(const NearestWords& nearest, std::span<const std::vector<int64_t>> words,
                   int64_t k) {
  WordHits result{.hits = 0, .words = std::ssize(words)};
  for (const auto& word : words) {
    const bool hit = std::any_of(nearest.ids.begin(), nearest.ids.end(), [&](const auto& ids) {
      const auto end = ids.begin() + std::min(k, std::ssize(ids));
      return std::find_first_of(ids.begin(), end, word.begin(), word.end()) != end;
    });
    if (hit) ++result.hits;
  }
  return result;
}

LogitLens logit_lens(const Rows& hidden, const FinalNorm& norm, const Rows& unembedding,
                     std::span<const std::vector<int64_t>> words) {
  LogitLens result;
  result.reason = why_unreadable(hidden, unembedding);
  if (result.reason != Reason::kNone) return result;
  const Matrix x = normed(hidden, norm);

  std::vector<int64_t> ids;
  for (const auto& word : words) ids.insert(ids.end(), word.begin(), word.end());
  Matrix of_word(x.rows(), std::ssize(ids)), larger = Matrix::Zero(x.rows(), std::ssize(ids));
  for (int64_t i = 0; i < std::ssize(ids); ++i) {
    const int64_t id = ids[static_cast<size_t>(i)];
    ISTHMUS_CHECK(id >= 0 && id < unembedding.rows(), "a word outside the vocabulary");
    of_word.col(i) = x * dense(unembedding.slice(id, 1)).transpose();
  }
  std::vector<SoftmaxSums> sums(static_cast<size_t>(x.rows()));
  for_each_block(unembedding, [&](int64_t first, const Matrix& block) {
    const Matrix logits = x * block.transpose();
    for (int64_t t = 0; t < logits.rows(); ++t) {
      sums[static_cast<size_t>(t)].add(logits.row(t), first);
      for (int64_t i = 0; i < std::ssize(ids); ++i)
        // Its own logit may come out another way round here, and is not larger than itself.
        for (int64_t w = 0; w < logits.cols(); ++w)
          if (first + w != ids[static_cast<size_t>(i)] && logits(t, w) > of_word(t, i))
            larger(t, i) += 1;
    }
  });

  for (const SoftmaxSums& sum : sums) {
    result.top1_ids.push_back(sum.top_id());
    result.top1_logprob.push_back(sum.top_logprob());
    result.entropy.push_back(sum.entropy());
  }
  result.entropy_mean = mean(result.entropy);
  int64_t column = 0;
  for (const auto& word : words) {
    double best = static_cast<double>(unembedding.rows());
    for (size_t i = 0; i < word.size(); ++i)
      best = std::min(best, 1 + larger.col(column++).minCoeff());
    result.best_rank_per_word.push_back(static_cast<int64_t>(best));
  }
  return result;
}

}  // namespace isthmus::alignment
