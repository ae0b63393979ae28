#include "alignment/dependence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "alignment/comparison.h"
#include "alignment/dense.h"
#include "alignment/quantiles.h"

namespace isthmus::alignment {
namespace {

Dependence none(Reason reason) {
  const Value v = reason;
  return {v, v, v, v, v, v, v, v, v, v, v, v, 0, 0, v, {}};
}

double share_of_ones(std::span<const int64_t> outcomes) {
  return static_cast<double>(std::count(outcomes.begin(), outcomes.end(), 1)) /
         static_cast<double>(outcomes.size());
}

void judge_accuracy(const AnswerLikelihoods& items, Dependence& result) {
  const auto &own = items.correct_media, &swapped = items.correct_swapped;
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i] == 1 && swapped[i] != 1) ++result.mcnemar_b;
    if (own[i] != 1 && swapped[i] == 1) ++result.mcnemar_c;
  }
  result.accuracy_media = share_of_ones(own);
  result.accuracy_swapped = share_of_ones(swapped);
  result.accuracy_drop = result.accuracy_media.number - result.accuracy_swapped.number;
  result.mcnemar_exact_p = mcnemar_p(result.mcnemar_b, result.mcnemar_c);
}

}  // namespace

Dependence media_dependence(const AnswerLikelihoods& items) {
  const int64_t n = std::ssize(items.media), swaps = items.swapped.cols();
  const bool has_outcomes = !items.correct_media.empty();
  if (std::ssize(items.blank) != n || items.swapped.rows() != n ||
      std::ssize(items.answer_tokens) != n ||
      items.correct_media.size() != items.correct_swapped.size() ||
      (has_outcomes && std::ssize(items.correct_media) != n))
    return none(Reason::kShapeMismatch);
  int64_t non_finite = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    if (!std::isfinite(items.media[at]) || !std::isfinite(items.blank[at]) ||
        count_non_finite_rows(items.swapped.slice(i, 1)) > 0)
      ++non_finite;
  }
  if (non_finite > 0) {
    Dependence result = none(Reason::kNonFinite);
    result.remarks.non_finite_rows = non_finite;
    return result;
  }
  if (n < 1 || swaps < 1) return none(Reason::kTooFewSamples);

  double blank_gain = 0, swapped_gain = 0, contrast = 0, wins = 0, tops = 0, hurt = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double own = items.media[static_cast<size_t>(i)];
    const double blank = items.blank[static_cast<size_t>(i)];
    blank_gain += own - blank;
    if (own < blank) hurt += 1;
    double highest_other = items.swapped.at(i, 0);
    for (int64_t j = 0; j < swaps; ++j) {
      const double other = items.swapped.at(i, j);
      swapped_gain += (own - other) / static_cast<double>(swaps);
      wins += own > other ? 1 : own == other ? 0.5 : 0;
      highest_other = std::max(highest_other, other);
    }
    if (own > highest_other) tops += 1;
    const double highest = std::max(own, highest_other);
    double sum = std::exp(own - highest);
    for (int64_t j = 0; j < swaps; ++j) sum += std::exp(items.swapped.at(i, j) - highest);
    contrast += own - highest - std::log(sum / static_cast<double>(swaps + 1));
  }
  const double count = static_cast<double>(n);
  const double tokens = static_cast<double>(
      std::accumulate(items.answer_tokens.begin(), items.answer_tokens.end(), int64_t{0}));
  Dependence result = none(Reason::kTooFewSamples);
  result.gain_blank_mean = blank_gain / count;
  result.gain_swapped_mean = swapped_gain / count;
  if (tokens > 0) {
    result.gain_blank_per_token = blank_gain / tokens;
    result.gain_swapped_per_token = swapped_gain / tokens;
  }
  result.pmi_contrastive_mean = contrast / count;
  result.pmi_contrastive_max = std::log(static_cast<double>(swaps + 1));
  result.win_rate_swapped = wins / (count * static_cast<double>(swaps));
  result.top1_among_swapped = tops / count;
  result.share_media_hurts = hurt / count;
  if (has_outcomes) judge_accuracy(items, result);
  return result;
}

NamedValues Dependence::named() const {
  return {{"gain_blank_mean", gain_blank_mean},
          {"gain_blank_per_token", gain_blank_per_token},
          {"gain_swapped_mean", gain_swapped_mean},
          {"gain_swapped_per_token", gain_swapped_per_token},
          {"pmi_contrastive_mean", pmi_contrastive_mean},
          {"pmi_contrastive_max", pmi_contrastive_max},
          {"win_rate_swapped", win_rate_swapped},
          {"top1_among_swapped", top1_among_swapped},
          {"share_media_hurts", share_media_hurts},
          {"accuracy_media", accuracy_media},
          {"accuracy_swapped", accuracy_swapped},
          {"accuracy_drop", accuracy_drop},
          {"mcnemar_exact_p", mcnemar_exact_p}};
}

}  // namespace isthmus::alignment
