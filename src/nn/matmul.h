// Products of float rows with a stored weight matrix of any 16- or 32-bit float type, on raw
// pointers.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace isthmus::nn {

// A row-major matrix in memory that somebody else owns; `data` may be unaligned.
struct StoredMatrix {
  DType dtype;  // kF32, kF16 or kBF16
  const void* data;
  int64_t rows, cols;  // out_features, in_features
  int64_t row_stride;  // in elements
};

// kFloat32: weights are widened, every product and sum is float32. kBFloat16: activations are
// rounded to bfloat16, products are exact, sums float32; taken only where the CPU multiplies
// bfloat16 natively, the weights are stored as bfloat16 and there are more than eight rows (fewer
// are bound by memory anyway); otherwise the same as kFloat32.
enum class Arithmetic { kFloat32, kBFloat16 };

// y[m, rows] = x[m, cols] · wᵀ + bias. x, y contiguous; bias may be null; y must not overlap x.
void matmul_transposed(const float* x, int64_t m, const StoredMatrix& w, const float* bias,
                       float* y, Arithmetic arithmetic);
// dx[m, cols] = dy[m, rows] · w, in float32.
void matmul(const float* dy, int64_t m, const StoredMatrix& w, float* dx);

}  // namespace isthmus::nn
