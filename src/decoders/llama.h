// LLaMA, Vicuna, Mistral: pre-norm blocks of rotary self-attention and a gated feed-forward.
// Touvron et al. 2023 (LLaMA, §2.2); Jiang et al. 2023 (Mistral: grouped keys, sliding window).
#pragma once

#include <memory>
#include <vector>

#include "decoders/language_model.h"
#include "layout/llama_config.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/norms.h"
#include "nn/rotary.h"
#include "nn/self_attention.h"

namespace isthmus::decoders {

// h = x + self_attn(input_layernorm(x));  y = h + mlp(post_attention_layernorm(h))
class LlamaBlockImpl : public torch::nn::Module {
 public:
  LlamaBlockImpl(const layout::LlamaConfig& config, int64_t layer);
  Tensor forward(const Tensor& x,
                 const nn::ForwardContext& context);  // [batch, seq, hidden_size] -> same

 private:
  nn::SelfAttention self_attn_;
  nn::GatedMlp mlp_;
  nn::RmsNorm input_layernorm_, post_attention_layernorm_;
};
TORCH_MODULE(LlamaBlock);

// Weight names are those published below `model.`: embed_tokens, layers.{i}.…, norm; and lm_head,
// which is absent when the head is tied.
class Llama : public LanguageModel {
 public:
  explicit Llama(const layout::LlamaConfig& config);

  Tensor embed_tokens(const Tensor& ids) override;
  Tensor logits(const Tensor& hidden) override;
  const nn::CacheGeometry& cache_geometry() const override { return geometry_; }
  int64_t hidden_size() const override { return config_.hidden_size; }
  int64_t vocab_size() const override { return config_.vocab_size; }
  const layout::LlamaConfig& config() const { return config_; }

 protected:
  Tensor enter(const Tensor& embeddings, nn::ForwardContext& context) override;
  Tensor block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) override;
  Tensor leave(const Tensor& hidden) override;

 private:
  layout::LlamaConfig config_;
  nn::CacheGeometry geometry_;
  nn::Rotary rotary_;
  nn::Embedding embed_tokens_;
  std::vector<LlamaBlock> layers_;
  nn::RmsNorm norm_;
  nn::Linear lm_head_{nullptr};
};

}  // namespace isthmus::decoders
