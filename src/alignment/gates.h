// How much the gated blocks of a Flamingo change what they are given.
#pragma once

#include <cstdint>
#include <span>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// One gated block: x₁ = x + tanh(attn_gate) attn_out, x₂ = x₁ + tanh(ff_gate) ff_out.  [T, d] each
struct GatedBlock {
  double attn_gate, ff_gate;
  Rows x, attn_out, ff_out;
  Rows block_delta;  // output minus input of the language model's block that follows
};

// Means over the rows that see a medium, ff_ratio over all rows.
struct GateValues {
  double tanh_attn_gate, tanh_ff_gate;  // the sign alone means nothing: plot the size
  Value attn_ratio;                     // ‖tanh(a) attn_out‖ / ‖x‖; 0 at initialisation
  Value ff_ratio;                       // ‖tanh(f) ff_out‖ / ‖x₁‖
  Value attn_cosine;                    // of tanh(a) attn_out and x; negative erases
  Value share_vs_block;  // ‖tanh(a) attn_out‖ / (‖tanh(a) attn_out‖ + ‖block_delta‖)
  Remarks remarks;
  NamedValues named() const;
};

// text_time [T]: 0 for rows before the first medium. A row of zeros counts as ratio 0, and in
// zero_norm_rows.
GateValues gate_values(const GatedBlock& block, std::span<const int64_t> text_time);

}  // namespace isthmus::alignment
