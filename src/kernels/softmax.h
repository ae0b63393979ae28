// Softmax of one row of attention scores, in place.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// row[i] = exp(scale · row[i] - max) / sum over i in [begin, end); zero elsewhere in [0, count),
// whatever stood there. An empty range gives a row of zeros. float32.
struct SoftmaxArgs {
  float* row;
  int64_t count, begin, end;
  float scale;
};

}  // namespace isthmus::kernels
