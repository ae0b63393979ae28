// Does the answer depend on the media? Log-likelihoods of reference answers with other media.
#pragma once

#include <cstdint>
#include <span>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// Of n items; log-likelihoods are sums of natural logarithms over the answer's tokens, teacher
// forced, with the same template. All owned by the caller.
struct AnswerLikelihoods {
  std::span<const double> media;           // with the item's own media
  std::span<const double> blank;           // with a neutral medium of the same shape
  Rows swapped;                            // [n, K]: with the media of K other items
  std::span<const int64_t> answer_tokens;  // above 0
  // Whether the answer was right, 1 or 0, with own media and with the first swapped ones. Both
  // empty where the task has no such measure.
  std::span<const int64_t> correct_media, correct_swapped;
};

struct Dependence {
  Value gain_blank_mean, gain_blank_per_token;      // LL(own) - LL(blank), nats
  Value gain_swapped_mean, gain_swapped_per_token;  // LL(own) - LL(swapped), nats
  Value pmi_contrastive_mean;  // LL(own) - log mean exp over own and swapped; at most ln(K + 1)
  Value pmi_contrastive_max;   // ln(K + 1)                               van den Oord et al. 2018
  Value win_rate_swapped;      // share with LL(own) above LL(swapped), ties half; chance 0.5
  Value top1_among_swapped;    // share above all K; chance 1 / (K + 1)
  Value share_media_hurts;     // share with LL(own) below LL(blank)
  Value accuracy_media, accuracy_swapped, accuracy_drop;
  int64_t mcnemar_b = 0, mcnemar_c = 0;  // right with own media only, with swapped media only
  Value mcnemar_exact_p;
  Remarks remarks;
  NamedValues named() const;
};

// Throws nothing: sizes that do not fit are kShapeMismatch, no item kTooFewSamples.
Dependence media_dependence(const AnswerLikelihoods& items);

}  // namespace isthmus::alignment
