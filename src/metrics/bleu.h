// BLEU-1 to BLEU-4 (Papineni et al. 2002), with pycocoevalcap's conventions.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "metrics/captions.h"
#include "metrics/ngrams.h"

namespace isthmus::metrics {

using Bleu = std::array<double, kMaxNgram>;  // [n - 1] is BLEU-n, 0 to 1

// What an image adds to the corpus score.
struct BleuCounts {
  int64_t hypothesis_length = 0;
  int64_t reference_length = 0;  // of the reference closest in length; of two, the shorter
  std::array<int64_t, kMaxNgram> guessed{}, correct{};  // n-grams, [n - 1]
};

// Throws as check_captions.
std::vector<BleuCounts> bleu_counts(std::span<const CaptionItem> items);

// Of the sums over `counts`: of all images the corpus score, of one image its own, of a resample
// (bootstrap) that resample's.
Bleu bleu_of(std::span<const BleuCounts> counts);
Bleu bleu_of(std::span<const BleuCounts> counts, std::span<const int64_t> chosen);

}  // namespace isthmus::metrics
