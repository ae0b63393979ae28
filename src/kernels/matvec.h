// Product of a few rows with stored weight rows. Bound by reading the weights once: bytes(w) /
// bandwidth.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

constexpr int64_t kMatvecMaxRows = 8;

// y[j · y_stride + r] = Σ_i x[j · x_stride + i] · w[r · row_stride + i] + bias[r] for j < m ≤
// kMatvecMaxRows. w: float32, float16 or bfloat16 by function, unaligned allowed, row_stride in
// elements. bias may be null. Products and sums in float32.
struct MatvecArgs {
  const float* x;
  int64_t m, x_stride;
  const void* w;
  int64_t rows, cols, row_stride;
  const float* bias;
  float* y;
  int64_t y_stride;
};

}  // namespace isthmus::kernels
