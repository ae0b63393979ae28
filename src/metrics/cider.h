// CIDEr-D (Vedantam et al. 2015, §4 and §5), with pycocoevalcap's conventions.
#pragma once

#include <span>
#include <vector>

#include "metrics/captions.h"

namespace isthmus::metrics {

struct CiderScore {
  double corpus = 0;              // mean over the images; papers report it times 100
  std::vector<double> per_image;  // 0 to 10
};

// n-grams of 1 to 4 words, length penalty with sigma 6. Document frequencies are those of the
// references of these very items, so one image alone scores 0. Throws as check_captions.
//
// Confidence: resample per_image (bootstrap_mean). Document frequencies stay those of the whole
// set then; counting them anew in every resample would make repeated images look common.
CiderScore cider_d(std::span<const CaptionItem> items);

}  // namespace isthmus::metrics
