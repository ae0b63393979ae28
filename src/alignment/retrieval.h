// Does an item's media find its own text among those of all items?
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

struct RetrievalOptions {
  std::vector<int64_t> k = {1, 5, 10};
  int64_t csls_k = 10;
  // [1, d] means of other items; without them the judged items' own are taken, with a warning.
  std::optional<Rows> media_mean = {}, text_mean = {};
};

struct RankSummary {
  std::vector<double> ranks;   // of the match in every row, from 1; a tie costs half a rank
  std::vector<double> recall;  // share of ranks <= k, for every k of the options
  double mrr, median_rank;     // mean of 1 / rank
};

struct RetrievalScore {
  RankSummary media_to_text, text_to_media;
};

// All three together: raw far below centred means that the gap hides the match, not that it is
// missing. Constant rows score chance, not 1.
struct Retrieval {
  Reason reason = Reason::kNone;  // another one: nothing below is filled
  RetrievalScore raw;             // cosines
  RetrievalScore centred;         // cosines minus each side's own mean
  RetrievalScore csls;            // 2 s_ij - r_i - r_j, r means of the csls_k nearest
                                  //                                            Conneau et al. 2018
  std::vector<double> chance;     // k / n
  double matched_cosine, unmatched_cosine;  // means over pairs
  double matched_cosine_centred, unmatched_cosine_centred;
  Remarks remarks;
};

// x, y [n, d]: pooled media rows and text rows of n items, two at least. Depends on n: fix it.
Retrieval cross_item_retrieval(const Rows& x, const Rows& y, const RetrievalOptions& options = {});

}  // namespace isthmus::alignment
