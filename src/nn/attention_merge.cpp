#include <algorithm>
#include <cmath>
#include <limits>

#include "nn/attention_problem.h"

namespace isthmus::nn {

void merge_partial(const float* partial, int64_t chunks, int64_t group, int64_t head_dim,
                   float* out) {
  const int64_t width = head_dim + 2;
  for (int64_t g = 0; g < group; ++g) {
    const auto at = [&](int64_t chunk) { return partial + (chunk * group + g) * width; };
    float highest = -std::numeric_limits<float>::infinity();
    for (int64_t c = 0; c < chunks; ++c) highest = std::max(highest, at(c)[head_dim]);
    float sum = 0;
    for (int64_t c = 0; c < chunks; ++c)
      sum += at(c)[head_dim + 1] * std::exp(at(c)[head_dim] - highest);
    float* y = out + g * head_dim;
    std::fill(y, y + head_dim, 0.0f);
    for (int64_t c = 0; c < chunks; ++c) {
      const float weight = std::exp(at(c)[head_dim] - highest) / sum;
      for (int64_t d = 0; d < head_dim; ++d) y[d] += weight * at(c)[d];
    }
  }
}

}  // namespace isthmus::nn
