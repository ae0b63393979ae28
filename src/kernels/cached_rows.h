// Rows of keys and values in fewer bits than a float has, and back.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// Rows of `dim` elements; the last dimension is dense, strides in elements.
// f16: rounded to nearest even, beyond the largest float16 to that; NaN stays NaN.
// i8: x ≈ scales[r] · y with y in -127 … 127, nearest; scales[r] = max |x| / 127, and NaN or
// infinity in a row gives it a scale that is no number.
struct NarrowRowsArgs {
  const float* x;
  int64_t row_stride, rows, dim;
  void* y;
  int64_t y_stride;
  float* scales;  // [rows], i8 only
};

// y[r, i] = scales[r] · x[r, i], y dense.
struct WidenRowsArgs {
  const void* x;
  int64_t row_stride, rows, dim;
  const float* scales;
  float* y;
};

}  // namespace isthmus::kernels
