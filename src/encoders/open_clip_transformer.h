// The stack of residual attention blocks of open_clip, with its published names. Radford et al.
// 2021, §2.4. It knows nothing of what its rows are: patches of a picture or any other modality.
#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "layout/clip_vision_config.h"
#include "nn/forward_context.h"
#include "nn/linear.h"
#include "nn/norms.h"

namespace isthmus::encoders {
using torch::Tensor;

struct OpenClipTransformerOptions {
  int64_t width, layers, heads, intermediate_size;
  layout::Activation activation;
  double layer_norm_eps;

  int64_t head_dim() const { return width / heads; }
};

// out_proj(softmax(q kᵀ / sqrt(head_dim)) v), heads side by side; rows q, k, v of in_proj in one
// product. Every row sees every other.
class OpenClipAttentionImpl : public torch::nn::Module {
 public:
  OpenClipAttentionImpl(const OpenClipTransformerOptions& options, int64_t layer);
  Tensor forward(const Tensor& x, nn::Probe* probe);  // [n, rows, width] -> same

 private:
  int64_t width_, heads_, head_dim_;
  std::string probe_name_;
  nn::Linear in_proj_, out_proj_;
};
TORCH_MODULE(OpenClipAttention);

// h = x + attn(ln_1(x));  y = h + c_proj(activation(c_fc(ln_2(h))))
class OpenClipBlockImpl : public torch::nn::Module {
 public:
  OpenClipBlockImpl(const OpenClipTransformerOptions& options, int64_t layer);
  Tensor forward(const Tensor& x, nn::Probe* probe);  // [n, rows, width] -> same

 private:
  layout::Activation activation_;
  nn::LayerNorm ln_1_;
  OpenClipAttention attn_;
  nn::LayerNorm ln_2_;
  nn::Linear c_fc_, c_proj_;
};
TORCH_MODULE(OpenClipBlock);

// Weights only; safe from any thread.
class OpenClipTransformerImpl : public torch::nn::Module {
 public:
  explicit OpenClipTransformerImpl(const OpenClipTransformerOptions& options);
  // [n, rows, width] -> same. Probe: "encoder.hidden.0" for what comes in, "encoder.hidden.{l+1}"
  // after block l, "encoder.layers.{l}.attention.weights".
  Tensor forward(const Tensor& x, nn::Probe* probe);

 private:
  std::vector<OpenClipBlock> resblocks_;
};
TORCH_MODULE(OpenClipTransformer);

}  // namespace isthmus::encoders
