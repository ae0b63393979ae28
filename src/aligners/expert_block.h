// A block of LLaMA that looks in all directions: no rotation, no mask, no cache.
#pragma once

#include <torch/nn/module.h>

#include "layout/onellm_config.h"
#include "nn/linear.h"
#include "nn/norms.h"

namespace isthmus::aligners {
using torch::Tensor;

// wo(softmax(q kᵀ / sqrt(head_dim)) v)
class ExpertAttentionImpl : public torch::nn::Module {
 public:
  explicit ExpertAttentionImpl(const layout::ProjectionConfig& config);
  // The first `rows` of x ask, all of x are asked. [n, seq, width] -> [n, rows, width]
  Tensor forward(const Tensor& x, int64_t rows);

 private:
  int64_t heads_;
  nn::Linear wq_, wk_, wv_, wo_;
};
TORCH_MODULE(ExpertAttention);

// w2(silu(w1 x) ⊙ w3 x)
class ExpertFeedForwardImpl : public torch::nn::Module {
 public:
  explicit ExpertFeedForwardImpl(const layout::ProjectionConfig& config);
  Tensor forward(const Tensor& x);

 private:
  nn::Linear w1_, w2_, w3_;
};
TORCH_MODULE(ExpertFeedForward);

// h = x + attention(attention_norm(x));  y = h + feed_forward(ffn_norm(h)). Names as published.
class ExpertBlockImpl : public torch::nn::Module {
 public:
  explicit ExpertBlockImpl(const layout::ProjectionConfig& config);
  // Only the first `rows` of the result are computed. [n, seq, width] -> [n, rows, width]
  Tensor forward(const Tensor& x, int64_t rows);

 private:
  ExpertAttention attention_;
  ExpertFeedForward feed_forward_;
  nn::RmsNorm attention_norm_, ffn_norm_;
};
TORCH_MODULE(ExpertBlock);

}  // namespace isthmus::aligners
