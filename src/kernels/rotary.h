// Rotary position embedding of the heads of one token.                      Su et al. 2021, eq. 34
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// x: heads × head_dim, heads `x_stride` floats apart; y: dense, not overlapping x unless equal with
// equal strides. cos, sin: head_dim / 2 floats. halves: element i turns with i + head_dim / 2;
// pairs: 2i turns with 2i + 1.
struct RotaryArgs {
  const float* x;
  int64_t x_stride;
  const float* cos;
  const float* sin;
  float* y;
  int64_t heads, head_dim;
};

}  // namespace isthmus::kernels
