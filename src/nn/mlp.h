// Feed-forward blocks.
#pragma once

#include <string>

#include <torch/nn/module.h>

#include "layout/clip_vision_config.h"
#include "nn/linear.h"

namespace isthmus::nn {

// The activation of a two-layer feed-forward.
Tensor activate(const Tensor& x, layout::Activation activation);

// Feed-forward of LLaMA: down(silu(gate(x)) ⊙ up(x)). Shazeer 2020 (GLU variants), FFN_SwiGLU.
class GatedMlpImpl : public torch::nn::Module {
 public:
  GatedMlpImpl(int64_t hidden_size, int64_t intermediate_size);
  Tensor forward(const Tensor& x);  // [batch, seq, hidden_size] -> same

 private:
  Linear gate_proj_, up_proj_, down_proj_;
};
TORCH_MODULE(GatedMlp);

// What the two layers of an Mlp are called where it is published.
struct MlpOptions {
  bool bias = true;
  std::string up = "fc1", down = "fc2";  // CLIP
};

// Feed-forward of CLIP, MPT and GPT-NeoX: down(activation(up(x))).
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(int64_t hidden_size, int64_t intermediate_size, layout::Activation activation,
          const MlpOptions& options = {});
  Tensor forward(const Tensor& x);  // [batch, seq, hidden_size] -> same

 private:
  layout::Activation activation_;
  Linear up_, down_;
};
TORCH_MODULE(Mlp);

}  // namespace isthmus::nn
