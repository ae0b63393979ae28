#include "metrics/classification.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::metrics {
namespace {

void check_sizes(std::string_view metric, size_t found, std::string_view what, size_t labels) {
  if (labels == 0) throw UsageError(fmt::format("{}: there is nothing to judge", metric));
  if (found != labels)
    throw UsageError(
        fmt::format("{}: {} {} for {} labels, expected as many", metric, found, what, labels));
}

void check_number(std::string_view metric, double score, size_t row) {
  if (std::isnan(score))
    throw InputError(fmt::format("{}: the score of item {} is not a number", metric, row));
}

}  // namespace

double accuracy(std::span<const int64_t> predictions, std::span<const int64_t> labels) {
  check_sizes("accuracy", predictions.size(), "predictions", labels.size());
  const auto hits = std::inner_product(labels.begin(), labels.end(), predictions.begin(),
                                       int64_t{0}, std::plus<>(), std::equal_to<>());
  return static_cast<double>(hits) / static_cast<double>(labels.size());
}

double top_k_accuracy(std::span<const double> scores, int64_t classes,
                      std::span<const int64_t> labels, int64_t k) {
  constexpr std::string_view kName = "top-k accuracy";
  if (classes < 1 || k < 1 || k > classes)
    throw UsageError(
        fmt::format("{}: k is {} with {} classes, expected 1 to {}", kName, k, classes, classes));
  const auto columns = static_cast<size_t>(classes);
  if (scores.size() % columns != 0)
    throw UsageError(
        fmt::format("{}: {} scores do not make rows of {} classes", kName, scores.size(), classes));
  check_sizes(kName, scores.size() / columns, "rows of scores", labels.size());
  int64_t hits = 0;
  for (size_t row = 0; row < labels.size(); ++row) {
    const std::span<const double> of_row = scores.subspan(row * columns, columns);
    for (const double score : of_row) check_number(kName, score, row);
    if (labels[row] < 0 || labels[row] >= classes)
      throw InputError(fmt::format("{}: label {} of item {} is outside the classes 0 to {}", kName,
                                   labels[row], row, classes - 1));
    const auto label = static_cast<size_t>(labels[row]);
    int64_t above = 0;
    for (size_t c = 0; c < columns; ++c)
      if (of_row[c] > of_row[label] || (of_row[c] == of_row[label] && c < label)) ++above;
    if (above < k) ++hits;
  }
  return static_cast<double>(hits) / static_cast<double>(labels.size());
}

double roc_auc(std::span<const double> scores, std::span<const int64_t> labels) {
  constexpr std::string_view kName = "ROC-AUC";
  check_sizes(kName, scores.size(), "scores", labels.size());
  double positives = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    check_number(kName, scores[i], i);
    if (labels[i] != 0 && labels[i] != 1)
      throw InputError(
          fmt::format("{}: label {} of item {}, expected 0 or 1", kName, labels[i], i));
    positives += static_cast<double>(labels[i]);
  }
  const double negatives = static_cast<double>(labels.size()) - positives;
  if (positives == 0 || negatives == 0) return std::numeric_limits<double>::quiet_NaN();

  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  // Σ over the positives of their rank, from 1; equal scores share the mean of their ranks.
  double ranks = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double positives_here = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end)
      positives_here += static_cast<double>(labels[order[end]]);
    ranks += positives_here * (static_cast<double>(begin + 1) + static_cast<double>(end)) / 2;
    begin = end;
  }
  return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
}

}  // namespace isthmus::metrics
