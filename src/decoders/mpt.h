// MPT and MosaicGPT, the earlier code behind mpt-1b-redpajama-200b: pre-norm blocks of attention
// with ALiBi and a feed-forward of four times the width. Their differences are fields of
// layout::MptConfig.          Press et al. 2022 (ALiBi, §3)
#pragma once

#include <vector>

#include "decoders/language_model.h"
#include "layout/mpt_config.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/norms.h"
#include "nn/self_attention.h"

namespace isthmus::decoders {

// One slope per head: 2^(-alibi_bias_max k / heads), k = 1 … heads. With alibi_interleaved, heads
// that are no power of two take those of the next power, every second one first.
std::vector<float> alibi_slopes(const layout::MptConfig& config);

// out_proj(softmax(scale · q kᵀ + ALiBi) v) with q, k, v = Wqkv(x); with qk_ln, queries and keys
// are normalised over the full width, before they are split into heads.
class MptAttentionImpl : public torch::nn::Module {
 public:
  MptAttentionImpl(const layout::MptConfig& config, int64_t layer);
  Tensor forward(const Tensor& x,
                 const nn::ForwardContext& context);  // [batch, seq, hidden_size] -> same

 private:
  int64_t head_dim_;
  double clip_qkv_;
  nn::AttendOptions attend_;
  nn::Linear Wqkv_, out_proj_;
  nn::LayerNorm q_ln_{nullptr}, k_ln_{nullptr};
};
TORCH_MODULE(MptAttention);

// h = x + attn(norm_1(x));  y = h + ffn(norm_2(h))
class MptBlockImpl : public torch::nn::Module {
 public:
  MptBlockImpl(const layout::MptConfig& config, int64_t layer);
  Tensor forward(const Tensor& x,
                 const nn::ForwardContext& context);  // [batch, seq, hidden_size] -> same

 private:
  nn::LayerNorm norm_1_;
  MptAttention attn_;
  nn::LayerNorm norm_2_;
  nn::Mlp ffn_;
};
TORCH_MODULE(MptBlock);

// Weight names are those MPT publishes below `transformer.`: wte, blocks.{i}.…, norm_f; wpe without
// ALiBi, and lm_head where it is not tied.
class Mpt : public LanguageModel {
 public:
  explicit Mpt(const layout::MptConfig& config);

  Tensor embed_tokens(const Tensor& ids) override;
  Tensor logits(const Tensor& hidden) override;
  const nn::CacheGeometry& cache_geometry() const override { return geometry_; }
  int64_t hidden_size() const override { return config_.hidden_size; }
  int64_t vocab_size() const override { return config_.vocab_size; }
  const layout::MptConfig& config() const { return config_; }

 protected:
  Tensor enter(const Tensor& embeddings, nn::ForwardContext& context) override;
  Tensor block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) override;
  Tensor leave(const Tensor& hidden) override;

 private:
  layout::MptConfig config_;
  nn::CacheGeometry geometry_;
  nn::Embedding wte_;
  nn::Embedding wpe_{nullptr};
  std::vector<MptBlock> blocks_;
  nn::LayerNorm norm_f_;
  nn::Linear lm_head_{nullptr};
};

}  // namespace isthmus::decoders
