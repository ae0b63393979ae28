// 16-bit floats to float32 and back. Pointers to 16-bit data may be unaligned.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// Exact, subnormals and NaN included.
struct WidenArgs {
  const void* x;
  float* y;
  int64_t count;
};

// Round to nearest even; NaN stays NaN.
struct NarrowArgs {
  const float* x;
  void* y;
  int64_t count;
};

}  // namespace isthmus::kernels
