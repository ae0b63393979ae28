// Product of stored rows with a packed panel of a few rows of x: x is what gets packed, and the
// weights are read once, as they lie. Between the matrix-vector product, which is bound by reading
// the weights, and the blocked one, whose packing of the weights pays only for many rows.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

constexpr int64_t kStreamMaxVectors = 2;  // of x rows in a panel, one row to a lane
constexpr int64_t kStreamRows = 48;       // weight rows: a multiple of every tile's height

// rows ≤ vectors · width, vectors ≤ kStreamMaxVectors. out: depth steps of vectors · width floats;
// step k holds x[r · row_stride + k] of all rows, missing ones as zeros.
struct PackPanelArgs {
  const float* x;
  int64_t row_stride, rows, depth, vectors;
  float* out;
};

// y[j · y_stride + r] = Σ_k panel[k, j] · w[r · row_stride + k] for j < cols, added to what y holds
// if `accumulate`; + bias[r] if not null. w: float32, may be unaligned.
struct StreamArgs {
  const void* w;
  int64_t row_stride, rows, depth;
  const float* panel;
  int64_t vectors, cols;
  float* y;
  int64_t y_stride;
  bool accumulate;
  const float* bias;
};

}  // namespace isthmus::kernels
