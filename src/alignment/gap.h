// Distances between the centres of media rows and text rows.
#pragma once

#include <cstdint>
#include <span>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

struct CentroidGap {
  Value gap_unit;          // between the means of unit rows       Liang et al. 2022, §4.2
  Value gap_raw;           // between the means
  Value gap_text_scaled;   // gap_raw over the mean text norm
  Value gap_standardised;  // gap_raw / sqrt((trΣ_media + trΣ_text) / 2)
  Value gap_sq_debiased;  // gap_raw² - trΣ_media/m - trΣ_text/s: 0 on average for equal clouds of
                          // independent rows, so it may be negative
  Value centroid_cosine;
  Remarks remarks;
  NamedValues named() const;
};

// Of media rows [m, d] and text rows [s, d] of one layer, in the units of the rows.
CentroidGap centroid_gap(const Rows& media, const Rows& text);

// The mean squared distance of the unit vectors of paired items, split exactly:
// raw = centroid + distribution. The first part is one shift for all, the second is what a shift
// cannot mend.
struct PairedGap {
  Value raw, centroid, distribution;
  Remarks remarks;
  NamedValues named() const;
};

// x, y [n, d]: the pooled media rows and text rows of n items (pool_by_item).
PairedGap paired_gap(const Rows& x, const Rows& y);

}  // namespace isthmus::alignment
