#include "metrics/cider.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "metrics/ngrams.h"

namespace isthmus::metrics {
namespace {

constexpr double kSigma = 6.0;   // of the length penalty
constexpr double kScale = 10.0;  // the "-D" variant's

// For each length n and n-gram id: log of the number of images whose references hold it, from 0.
using LogDocumentFrequencies = std::array<std::vector<double>, kMaxNgram>;

struct Weights {
  std::array<std::vector<double>, kMaxNgram> of;  // parallel to SentenceNgrams::by_length
  std::array<double, kMaxNgram> norm;
  int64_t bigrams = 0;
};

Weights tf_idf(const SentenceNgrams& sentence, double log_images,
               const LogDocumentFrequencies& frequencies) {
  Weights weights{};
  for (size_t n = 0; n < kMaxNgram; ++n) {
    double squares = 0;
    for (const auto& [id, count] : sentence.by_length[n]) {
      const double weight = count * (log_images - frequencies[n][id]);
      weights.of[n].push_back(weight);
      squares += weight * weight;
    }
    weights.norm[n] = std::sqrt(squares);
  }
  // Quirk: the length that is penalised counts pairs of words, not words.
  weights.bigrams = std::max<int64_t>(0, sentence.words - 1);
  return weights;
}

// Σ min(h, r) · r over the n-grams of both.
double clipped_product(const std::vector<NgramCount>& hypothesis, const std::vector<double>& h,
                       const std::vector<NgramCount>& reference, const std::vector<double>& r) {
  double sum = 0;
  for (size_t i = 0, j = 0; i < hypothesis.size() && j < reference.size();) {
    if (hypothesis[i].id == reference[j].id) {
      sum += std::min(h[i], r[j]) * r[j];
      ++i, ++j;
    } else if (hypothesis[i].id < reference[j].id) {
      ++i;
    } else {
      ++j;
    }
  }
  return sum;
}

// Summed over the four lengths.
double similarity(const SentenceNgrams& hypothesis, const Weights& h,
                  const SentenceNgrams& reference, const Weights& r) {
  const auto difference = static_cast<double>(h.bigrams - r.bigrams);
  const double penalty = std::exp(-difference * difference / (2 * kSigma * kSigma));
  double sum = 0;
  for (size_t n = 0; n < kMaxNgram; ++n) {
    double value =
        clipped_product(hypothesis.by_length[n], h.of[n], reference.by_length[n], r.of[n]);
    if (h.norm[n] != 0 && r.norm[n] != 0) value /= h.norm[n] * r.norm[n];
    sum += value * penalty;
  }
  return sum;
}

LogDocumentFrequencies log_document_frequencies(
    const NgramCounter& counter, const std::vector<std::vector<SentenceNgrams>>& references) {
  LogDocumentFrequencies frequencies;
  for (size_t n = 0; n < kMaxNgram; ++n) {
    std::vector<double>& of = frequencies[n];
    of.assign(counter.vocabulary_size(n + 1), 0.0);
    std::vector<size_t> last_image(of.size(), SIZE_MAX);
    for (size_t image = 0; image < references.size(); ++image)
      for (const SentenceNgrams& reference : references[image])
        for (const NgramCount& ngram : reference.by_length[n])
          if (std::exchange(last_image[ngram.id], image) != image) of[ngram.id] += 1;
    for (double& value : of) value = std::log(std::max(1.0, value));
  }
  return frequencies;
}

}  // namespace

CiderScore cider_d(std::span<const CaptionItem> items) {
  check_captions(items, "CIDEr");
  NgramCounter counter;
  std::vector<SentenceNgrams> hypotheses;
  std::vector<std::vector<SentenceNgrams>> references(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    hypotheses.push_back(counter.count(items[i].hypothesis));
    for (const std::string& reference : items[i].references)
      references[i].push_back(counter.count(reference));
  }
  const LogDocumentFrequencies frequencies = log_document_frequencies(counter, references);
  const double log_images = std::log(static_cast<double>(items.size()));

  CiderScore score;
  for (size_t i = 0; i < items.size(); ++i) {
    const Weights hypothesis = tf_idf(hypotheses[i], log_images, frequencies);
    double sum = 0;
    for (const SentenceNgrams& reference : references[i])
      sum += similarity(hypotheses[i], hypothesis, reference,
                        tf_idf(reference, log_images, frequencies));
    const double mean = sum / kMaxNgram / static_cast<double>(references[i].size());
    score.per_image.push_back(kScale * mean);
    score.corpus += score.per_image.back();
  }
  score.corpus /= static_cast<double>(items.size());
  return score;
}

}  // namespace isthmus::metrics
