// OPT: learned positions, biases everywhere, ReLU.                   Zhang et al. 2022 (OPT, §2.1)
#pragma once

#include <vector>

#include "decoders/language_model.h"
#include "layout/opt_config.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norms.h"
#include "nn/self_attention.h"

namespace isthmus::decoders {

// Pre-norm: h = x + self_attn(self_attn_layer_norm(x)); y = h + fc2(act(fc1(final_layer_norm(h)))).
// Post-norm (opt-350m): the same norms follow the two sums.
class OptLayerImpl : public torch::nn::Module {
 public:
  OptLayerImpl(const layout::OptConfig& config, int64_t layer);
  Tensor forward(const Tensor& x,
                 const nn::ForwardContext& context);  // [batch, seq, hidden_size] -> same

 private:
  bool do_layer_norm_before_;
  layout::Activation activation_;
  nn::SelfAttention self_attn_;
  nn::LayerNorm self_attn_layer_norm_;
  nn::Linear fc1_, fc2_;
  nn::LayerNorm final_layer_norm_;
};
TORCH_MODULE(OptLayer);

// Weight names are those published below `model.decoder.`: embed_tokens, embed_positions,
// project_in and project_out (where embeddings are narrower than the model), layers.{i}.…,
// final_layer_norm; and lm_head where it is not tied.
class Opt : public LanguageModel {
 public:
  explicit Opt(const layout::OptConfig& config);

  Tensor embed_tokens(const Tensor& ids) override;  // after project_in
  Tensor logits(const Tensor& hidden) override;     // after project_out
  const nn::CacheGeometry& cache_geometry() const override { return geometry_; }
  int64_t hidden_size() const override { return config_.hidden_size; }
  int64_t vocab_size() const override { return config_.vocab_size; }
  const layout::OptConfig& config() const { return config_; }

 protected:
  Tensor enter(const Tensor& embeddings, nn::ForwardContext& context) override;
  Tensor block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) override;
  Tensor leave(const Tensor& hidden) override;

 private:
  layout::OptConfig config_;
  nn::CacheGeometry geometry_;
  nn::Embedding embed_tokens_, embed_positions_;
  nn::Linear project_in_{nullptr}, project_out_{nullptr};
  std::vector<OptLayer> layers_;
  nn::LayerNorm final_layer_norm_{nullptr};
  nn::Linear lm_head_{nullptr};
};

}  // namespace isthmus::decoders
