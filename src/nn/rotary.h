// Rotary position angles: Su et al. 2021, §3.2.2.
#pragma once

#include <torch/types.h>

#include "layout/llama_config.h"

namespace isthmus::nn {
using torch::Tensor;

// [batch or 1, seq, head_dim / 2], float32
struct RotaryAngles {
  Tensor cos, sin;
};

// angle(p, i) = p · theta^(-2i / head_dim), in float32 as the reference computes it. Immutable.
class Rotary {
 public:
  explicit Rotary(const layout::LlamaConfig& config);

  // positions [batch or 1, seq] int64. `total_length` counts the keys after this call, cached ones
  // included: dynamic scaling depends on it.
  RotaryAngles angles(const Tensor& positions, int64_t total_length) const;

 private:
  Tensor inverse_frequencies(double theta) const;

  int64_t head_dim_, max_position_embeddings_;
  double theta_, factor_;
  layout::RopeScaling scaling_;
  Tensor inverse_frequencies_;  // [head_dim / 2]
};

}  // namespace isthmus::nn
