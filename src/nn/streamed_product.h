// The product of a short prompt: more rows than the matrix-vector kernels take, too few for packing
// the weights to pay.
#pragma once

#include <cstdint>

#include "nn/matmul.h"

namespace isthmus::nn {

// Up to here it is faster than the product that packs the weights.
constexpr int64_t kStreamedMostRows = 128;

// As matmul_transposed, with products and sums in float32. m and w not empty.
void streamed_product(const float* x, int64_t m, const StoredMatrix& w, const float* bias,
                      float* y);

}  // namespace isthmus::nn
