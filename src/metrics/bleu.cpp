#include "metrics/bleu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

namespace isthmus::metrics {
namespace {

// pycocoevalcap's: no division by zero, and a score that is almost 0 where nothing matches.
constexpr double kSmall = 1e-9, kTiny = 1e-15;

int64_t matches(const std::vector<NgramCount>& hypothesis,
                const std::vector<SentenceNgrams>& references, size_t length) {
  int64_t correct = 0;
  for (const auto& [id, count] : hypothesis) {
    uint32_t most = 0;  // in any one reference
    for (const SentenceNgrams& reference : references) {
      const std::vector<NgramCount>& ngrams = reference.by_length[length];
      const auto found = std::lower_bound(
          ngrams.begin(), ngrams.end(), id,
          [](const NgramCount& each, uint32_t wanted) { return each.id < wanted; });
      if (found != ngrams.end() && found->id == id) most = std::max(most, found->count);
    }
    correct += std::min(most, count);
  }
  return correct;
}

void add(BleuCounts& sum, const BleuCounts& counts) {
  sum.hypothesis_length += counts.hypothesis_length;
  sum.reference_length += counts.reference_length;
  for (size_t n = 0; n < kMaxNgram; ++n) {
    sum.guessed[n] += counts.guessed[n];
    sum.correct[n] += counts.correct[n];
  }
}

Bleu score(const BleuCounts& sum) {
  Bleu bleu;
  double product = 1;
  for (size_t n = 0; n < kMaxNgram; ++n) {
    product *= (static_cast<double>(sum.correct[n]) + kTiny) /
               (static_cast<double>(sum.guessed[n]) + kSmall);
    bleu[n] = std::pow(product, 1.0 / static_cast<double>(n + 1));
  }
  const double ratio = (static_cast<double>(sum.hypothesis_length) + kTiny) /
                       (static_cast<double>(sum.reference_length) + kSmall);
  if (ratio < 1)
    for (double& each : bleu) each *= std::exp(1 - 1 / ratio);
  return bleu;
}

}  // namespace

std::vector<BleuCounts> bleu_counts(std::span<const CaptionItem> items) {
  check_captions(items, "BLEU");
  std::vector<BleuCounts> all;
  for (const CaptionItem& item : items) {
    NgramCounter counter;
    const SentenceNgrams hypothesis = counter.count(item.hypothesis);
    std::vector<SentenceNgrams> references;
    for (const std::string& reference : item.references)
      references.push_back(counter.count(reference));

    BleuCounts counts;
    counts.hypothesis_length = hypothesis.words;
    std::pair<int64_t, int64_t> closest{std::numeric_limits<int64_t>::max(), 0};
    for (const SentenceNgrams& reference : references)
      closest = std::min(closest, {std::abs(reference.words - hypothesis.words), reference.words});
    counts.reference_length = closest.second;
    for (size_t n = 0; n < kMaxNgram; ++n) {
      counts.guessed[n] = std::max<int64_t>(0, hypothesis.words - static_cast<int64_t>(n));
      counts.correct[n] = matches(hypothesis.by_length[n], references, n);
    }
    all.push_back(counts);
  }
  return all;
}

Bleu bleu_of(std::span<const BleuCounts> counts) {
  BleuCounts sum;
  for (const BleuCounts& each : counts) add(sum, each);
  return score(sum);
}

Bleu bleu_of(std::span<const BleuCounts> counts, std::span<const int64_t> chosen) {
  BleuCounts sum;
  for (const int64_t i : chosen) add(sum, counts[static_cast<size_t>(i)]);
  return score(sum);
}

}  // namespace isthmus::metrics
