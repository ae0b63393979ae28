// The vision transformer of CLIP, with the names published below `vision_model.`.
// Radford et al. 2021, §2.4.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "encoders/patch_embedding.h"
#include "layout/clip_vision_config.h"
#include "nn/embedding.h"
#include "nn/features.h"
#include "nn/forward_context.h"
#include "nn/mlp.h"
#include "nn/norms.h"
#include "nn/self_attention.h"

namespace isthmus::encoders {
using torch::Tensor;

// [class_embedding, patches] + position_embedding
class ClipEmbeddingsImpl : public nn::SlotModule {
 public:
  explicit ClipEmbeddingsImpl(const layout::ClipVisionConfig& config);
  Tensor forward(const Tensor& pixels);  // [n, channels, S, S] -> [n, 1 + patches, hidden_size]
  std::vector<nn::Slot> slots() override;

 private:
  int64_t hidden_size_;
  Tensor class_embedding_;
  PatchEmbedding patch_embedding_;
  nn::Embedding position_embedding_;
};
TORCH_MODULE(ClipEmbeddings);

// h = x + self_attn(layer_norm1(x));  y = h + mlp(layer_norm2(h))
class ClipBlockImpl : public torch::nn::Module {
 public:
  ClipBlockImpl(const layout::ClipVisionConfig& config, int64_t layer);
  Tensor forward(const Tensor& x, const nn::ForwardContext& context);

 private:
  nn::SelfAttention self_attn_;
  nn::LayerNorm layer_norm1_;
  nn::Mlp mlp_;
  nn::LayerNorm layer_norm2_;
};
TORCH_MODULE(ClipBlock);

struct ClipVitOptions {
  // Which of the num_hidden_layers + 1 hidden states is the result; negative counts from the end.
  // State 0 is what enters the first layer. No state has passed post_layernorm.
  int64_t select_layer = -2;
  bool keep_class_token = false;
};

// Layers after the selected one hold weights but are not computed. Weights only; safe from any
// thread.
class ClipVitImpl : public torch::nn::Module {
 public:
  // Throws ModelError when there is no such layer.
  ClipVitImpl(const layout::ClipVisionConfig& config, const ClipVitOptions& options);

  // pixels [n, channels, S, S] float32, normalised -> values [n, patches (+ 1), hidden_size]. Only
  // the context's probe is used: "encoder.hidden.{l}" for every state computed,
  // "encoder.layers.{l}.attention.weights".
  nn::Features forward(const Tensor& pixels, const nn::ForwardContext& context = {});

  const layout::ClipVisionConfig& config() const { return config_; }
  int64_t layers_computed() const { return layers_computed_; }

 private:
  layout::ClipVisionConfig config_;
  bool keep_class_token_;
  int64_t layers_computed_;
  ClipEmbeddings embeddings_;
  nn::LayerNorm pre_layrnorm_;
  std::vector<ClipBlock> layers_;
  nn::LayerNorm post_layernorm_{nullptr};  // published with the tower; no tapped state has passed it
};
TORCH_MODULE(ClipVit);

}  // namespace isthmus::encoders
