// ROUGE-L (Lin 2004, longest common subsequence), with pycocoevalcap's conventions.
#pragma once

#include <span>
#include <vector>

#include "metrics/captions.h"

namespace isthmus::metrics {

struct RougeScore {
  double corpus = 0;              // mean over the images
  std::vector<double> per_image;  // 0 to 1
};

// F-score with beta 1.2 of the best precision and the best recall over an image's references.
// Quirk: words are cut at single spaces, so an empty caption is one empty word and equals an empty
// reference. Throws as check_captions.
RougeScore rouge_l(std::span<const CaptionItem> items);

}  // namespace isthmus::metrics
