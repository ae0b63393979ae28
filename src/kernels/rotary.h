// Rotary position embedding of the heads of one token.                      Su et al. 2021, eq. 34
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// The first rotary_dims elements of a head turn, the others are copied. x: heads × head_dim, heads
// `x_stride` floats apart; y: dense, not overlapping x unless equal with equal strides. cos, sin:
// rotary_dims / 2 floats. halves: element i turns with i + rotary_dims / 2; pairs: 2i turns with
// 2i + 1.
struct RotaryArgs {
  const float* x;
  int64_t x_stride;
  const float* cos;
  const float* sin;
  float* y;
  int64_t heads, head_dim, rotary_dims;
};

}  // namespace isthmus::kernels
