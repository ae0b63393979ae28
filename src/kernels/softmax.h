// Softmax of one row of attention scores, in place, and its gradient.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// row[i] = exp(scale · row[i] + slope · (i - position) - max) / sum over i in [begin, end); zero
// elsewhere in [0, count), whatever stood there. An empty range gives a row of zeros. slope is
// ALiBi's, 0 for none; position, the query's own index in the row, only moves the sums away from
// overflow.      Press et al. 2022, eq. 1. float32.
struct SoftmaxArgs {
  float* row;
  int64_t count, begin, end;
  float scale;
  float slope = 0;
  int64_t position = 0;
};

// gradient[i] = scale · weights[i] · (gradient[i] - Σ_j weights[j] · gradient[j]) over [begin, end),
// from the gradient of a row of weights to that of the scores they came from; zero elsewhere in
// [0, count), whatever stood there.
struct SoftmaxGradientArgs {
  const float* weights;
  float* gradient;
  int64_t count, begin, end;
  float scale;
};

}  // namespace isthmus::kernels
