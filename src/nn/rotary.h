// Rotary position angles: Su et al. 2021, §3.2.2.
#pragma once

#include <vector>

#include <torch/types.h>

#include "layout/llama_config.h"

namespace isthmus::nn {
using torch::Tensor;

// [batch or 1, seq, dims / 2], float32
struct RotaryAngles {
  Tensor cos, sin;
};

struct RotaryOptions {
  int64_t dims;  // the elements of a head that are rotated; even
  double theta = 10000;
  layout::RopeScaling scaling = layout::RopeScaling::kNone;
  double factor = 1;                    // of the scaling
  int64_t max_position_embeddings = 0;  // trained length: dynamic scaling begins beyond it
  std::vector<double> frequency_factors = {};  // each frequency is divided by its own; empty: by 1
};

// angle(p, i) = p · theta^(-2i / dims) / frequency_factors[i], in float32 as the reference computes it. Immutable.
class Rotary {
 public:
  explicit Rotary(const RotaryOptions& options);

  // positions [batch or 1, seq] int64. `total_length` counts the keys after this call, cached ones
  // included: dynamic scaling depends on it.
  RotaryAngles angles(const Tensor& positions, int64_t total_length) const;
  // Whether `total_length` makes a difference.
  bool depends_on_length() const {
    return options_.scaling == layout::RopeScaling::kDynamic;
  }

 private:
  Tensor inverse_frequencies(double theta) const;

  RotaryOptions options_;
  Tensor inverse_frequencies_;  // [dims / 2]
};

}  // namespace isthmus::nn
