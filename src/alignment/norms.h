// Lengths of the rows: are soft tokens of the scale of words?
#pragma once

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

struct NormRatio {
  Value media_mean, media_median, media_p05, media_p95;
  Value text_mean, text_median, text_p05, text_p95;
  Value ratio_mean, ratio_median;  // media over text
  Value log2_ratio_median;         // 0: the same scale. Medians, since a few sink rows rule means
  Remarks remarks;
  NamedValues named() const;
};

// Euclidean norms of media rows [m, d] and text rows [s, d] of one layer; quantiles at 5 and 95 %.
// MIR scales by the text for what these show (Huang et al. 2025, §2.1).
NormRatio norm_ratio(const Rows& media, const Rows& text);

}  // namespace isthmus::alignment
