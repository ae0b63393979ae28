// The Fréchet distance of two clouds of rows, and MIR, which is made of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// ‖μ_V-μ_T‖² + trΣ_V + trΣ_T - 2 tr((Σ_V Σ_T)^{1/2})        Heusel et al. 2017, FID; divisors n - 1
// after both clouds are divided by the mean norm of the text rows. The terms say what is wrong: a
// constant offset, another scale, other directions.
struct Frechet {
  Value mean_term, trace_media, trace_text, trace_sqrt;
  Value frechet;  // may be below 0 by rounding
  Remarks remarks;
  NamedValues named() const;
};

// media [m, d], text [s, d], two rows each at least. No square root of a matrix is taken, so the
// covariances may be singular. Fewer rows give larger values (the bias falls as 1/rows): compare
// equal numbers of rows only.
Frechet frechet_text_scaled(const Rows& media, const Rows& text);

// How much of a Fréchet distance is noise: h = s/2 media rows (the first) against the text rows at
// even places, beside the text rows at even against those at odd places, all scaled by all text
// rows. Rows are expected in random order.
struct FrechetFloor {
  int64_t rows;  // h
  Value frechet, floor;
  Value excess;  // frechet - floor
  Remarks remarks;
  NamedValues named() const;
};
FrechetFloor frechet_floor(const Rows& media, const Rows& text);

// Modality Integration Rate: log10 of the sum over layers of the Fréchet distance, text-scaled and
// with outlier rows replaced.                            Huang et al., ICCV 2025, §2.1, and its
// code
struct MirLayer {
  double alpha = 0;                                    // 1 / mean norm of the text rows
  std::vector<int64_t> outliers_media, outliers_text;  // |norm - lower median| > 3 deviations
  Value frechet;                // outliers replaced by the lower median of every column
  Value frechet_dropped;        // outliers removed
  Value frechet_product_trace;  // tr(Σ_V Σ_T) in place of the trace of its root
};
struct Mir {
  std::vector<MirLayer> layers;
  Value mir;  // lower is better; comparable within one language model only
  Value mir_dropped;
  // Quirk: the released tool's fast mode subtracts this trace (its Newton-Schulz iteration starts
  // at a fixed point). Only to explain numbers made with it.
  Value mir_product_trace;
  Remarks remarks;
  NamedValues named() const;
};

// media and text hold the rows of each layer; as many of one as of the other (InternalError).
Mir mir(std::span<const Rows> media, std::span<const Rows> text);

}  // namespace isthmus::alignment
