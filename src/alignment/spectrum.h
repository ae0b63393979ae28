// In how many directions do rows differ?
#pragma once

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// σ the singular values of the centred rows, p = σ / Σσ, λ = σ².
struct Spectrum {
  Value effective_rank;           // exp(-Σ p ln p)                          Roy & Vetterli 2007
  Value effective_rank_fraction;  // of min(rows, columns)
  Value participation_ratio;      // (Σλ)² / Σλ²
  Value stable_rank;              // Σλ / λ₁
  Value top1_share;               // λ₁ / Σλ
  Value anisotropy;               // mean cosine of two different rows       Ethayarajh 2019
  Value anisotropy_centred;       // of centred rows
  Remarks remarks;
  NamedValues named() const;
};

// Of two rows [n, d] or more. The rows of one item: low means its patches are alike. Pooled rows of
// many items: low means all items are alike, the worse failure. Compare equal n only.
Spectrum spectrum(const Rows& x);

}  // namespace isthmus::alignment
