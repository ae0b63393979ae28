// The feed-forward of OpenFlamingo, published as Sequential(LayerNorm, Linear, GELU, Linear).
#pragma once

#include <torch/nn/module.h>

#include "nn/linear.h"
#include "nn/norms.h"

namespace isthmus::aligners {
using torch::Tensor;

// Of every LayerNorm in the resampler and the gated blocks: torch.nn.LayerNorm's own.
inline constexpr double kLayerNormEps = 1e-5;

// W3 gelu(W1 norm(x)), no biases: children 0 (norm), 1 and 3.        open_flamingo/helpers.py
class FeedForwardImpl : public torch::nn::Module {
 public:
  FeedForwardImpl(int64_t dim, int64_t intermediate_size);
  Tensor forward(const Tensor& x);  // [..., dim] -> same

 private:
  nn::LayerNorm norm_;
  nn::Linear up_, down_;
};
TORCH_MODULE(FeedForward);

}  // namespace isthmus::aligners
