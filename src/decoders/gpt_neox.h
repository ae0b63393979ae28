// GPT-NeoX: Pythia (parallel residual) and RedPajama-INCITE (sequential).
// Black et al. 2022 (GPT-NeoX-20B, §2.1); Biderman et al. 2023 (Pythia).
#pragma once

#include <vector>

#include "decoders/language_model.h"
#include "layout/gpt_neox_config.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/norms.h"
#include "nn/rotary.h"
#include "nn/self_attention.h"

namespace isthmus::decoders {

// dense(softmax(q kᵀ / sqrt(head_dim)) v). The rows of query_key_value stand head by head: those of
// a head's query, its key, its value; or as layout::QkvLayout says. The first rotary_dims elements
// of queries and keys turn.
class GptNeoxAttentionImpl : public torch::nn::Module {
 public:
  GptNeoxAttentionImpl(const layout::GptNeoxConfig& config, int64_t layer);
  Tensor forward(const Tensor& x,
                 const nn::ForwardContext& context);  // [batch, seq, hidden_size] -> same

 private:
  int64_t num_attention_heads_, head_dim_;
  layout::QkvLayout qkv_layout_;
  nn::AttendOptions attend_;
  nn::Linear query_key_value_, dense_;
};
TORCH_MODULE(GptNeoxAttention);

// Parallel: y = x + attention(input_layernorm(x)) + mlp(post_attention_layernorm(x)).
// Sequential: h = x + attention(input_layernorm(x)); y = h + mlp(post_attention_layernorm(h)).
class GptNeoxLayerImpl : public torch::nn::Module {
 public:
  GptNeoxLayerImpl(const layout::GptNeoxConfig& config, int64_t layer);
  Tensor forward(const Tensor& x,
                 const nn::ForwardContext& context);  // [batch, seq, hidden_size] -> same

 private:
  bool use_parallel_residual_;
  nn::LayerNorm input_layernorm_, post_attention_layernorm_;
  GptNeoxAttention attention_;
  nn::Mlp mlp_;
};
TORCH_MODULE(GptNeoxLayer);

// Weight names are those published below `gpt_neox.`: embed_in, layers.{i}.…, final_layer_norm; and
// embed_out, which is absent when the head is tied.
class GptNeox : public LanguageModel {
 public:
  explicit GptNeox(const layout::GptNeoxConfig& config);

  Tensor embed_tokens(const Tensor& ids) override;
  Tensor logits(const Tensor& hidden) override;
  const nn::CacheGeometry& cache_geometry() const override { return geometry_; }
  int64_t hidden_size() const override { return config_.hidden_size; }
  int64_t vocab_size() const override { return config_.vocab_size; }
  const layout::GptNeoxConfig& config() const { return config_; }

 protected:
  Tensor enter(const Tensor& embeddings, nn::ForwardContext& context) override;
  Tensor block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) override;
  Tensor leave(const Tensor& hidden) override;

 private:
  layout::GptNeoxConfig config_;
  nn::CacheGeometry geometry_;
  nn::Rotary rotary_;
  nn::Embedding embed_in_;
  std::vector<GptNeoxLayer> layers_;
  nn::LayerNorm final_layer_norm_;
  nn::Linear embed_out_{nullptr};
};

}  // namespace isthmus::decoders
