#include "decoders/mpt.h"

#include <bit>
#include <cmath>
#include <memory>
#include <string>

#include "decoders/learned_positions.h"
#include "nn/ops.h"

namespace isthmus::decoders {
namespace {

nn::LayerNorm norm(const layout::MptConfig& config) {
  return nn::LayerNorm(
      config.hidden_size, config.layer_norm_eps,
      config.bias ? layout::NormParameters::kWeightAndBias : layout::NormParameters::kWeight);
}

nn::AttendOptions attend_options(const layout::MptConfig& config, int64_t layer) {
  nn::AttendOptions options{.scale = config.softmax_scale};
  if (config.alibi) options.alibi_slopes = alibi_slopes(config);
  options.layer = layer;
  options.probe_name = "decoder.layers." + std::to_string(layer) + ".attention.weights";
  return options;
}

}  // namespace

std::vector<float> alibi_slopes(const layout::MptConfig& config) {
  const auto heads = static_cast<size_t>(config.num_attention_heads);
  const size_t steps = config.alibi_interleaved ? std::bit_ceil(heads) : heads;
  std::vector<float> slopes, odd;  // odd: of k = 1, 3, …, which come last when interleaved
  for (size_t k = 1; k <= steps; ++k) {
    const double exponent = static_cast<double>(config.alibi_bias_max) * static_cast<double>(k) /
                            static_cast<double>(steps);
    const auto slope = static_cast<float>(std::exp2(-exponent));
    (steps != heads && k % 2 == 1 ? odd : slopes).push_back(slope);
  }
  slopes.insert(slopes.end(), odd.begin(), odd.end());
  slopes.resize(heads);
  return slopes;
}

MptAttentionImpl::MptAttentionImpl(const layout::MptConfig& config, int64_t layer)
    : head_dim_(config.head_dim()),
      clip_qkv_(config.clip_qkv),
      attend_(attend_options(config, layer)),
      Wqkv_(register_module("Wqkv",
                            nn::Linear(config.hidden_size, 3 * config.hidden_size, config.bias))),
      out_proj_(register_module("out_proj",
                                nn::Linear(config.hidden_size, config.hidden_size, config.bias))) {
  if (config.qk_ln) {
    q_ln_ = register_module("q_ln", norm(config));
    k_ln_ = register_module("k_ln", norm(config));
  }
}

Tensor MptAttentionImpl::forward(const Tensor& x, const nn::ForwardContext& context) {
  Tensor qkv = Wqkv_(x);
  if (clip_qkv_ > 0) qkv = qkv.clamp(-clip_qkv_, clip_qkv_);
  const std::vector<Tensor> parts = qkv.chunk(3, -1);
  Tensor query = parts[0], key = parts[1];
  if (!q_ln_.is_empty()) {
    query = q_ln_(query);
    key = k_ln_(key);
  }
  const auto heads = [&](const Tensor& rows) { return rows.unflatten(-1, {-1, head_dim_}); };
  return out_proj_(nn::attend(heads(query), heads(key), heads(parts[2]), attend_, context));
}

MptBlockImpl::MptBlockImpl(const layout::MptConfig& config, int64_t layer)
    : norm_1_(register_module("norm_1", norm(config))),
      attn_(register_module("attn", MptAttention(config, layer))),
      norm_2_(register_module("norm_2", norm(config))),
      ffn_(register_module(
          "ffn", nn::Mlp(config.hidden_size, config.intermediate_size, layout::Activation::kGelu,
                         nn::MlpOptions{config.bias, "up_proj", "down_proj"}))) {}

Tensor MptBlockImpl::forward(const Tensor& x, const nn::ForwardContext& context) {
  const Tensor h = x + attn_(norm_1_(x), context);
  return h + ffn_(norm_2_(h));
}

Mpt::Mpt(const layout::MptConfig& config)
    : config_(config),
      geometry_{config.num_hidden_layers, config.num_attention_heads, config.head_dim()},
      wte_(config.vocab_size, config.hidden_size),
      norm_f_(norm(config)) {
  register_module("wte", wte_);
  if (!config.alibi)
    wpe_ = register_module("wpe", nn::Embedding(config.max_seq_len, config.hidden_size));
  auto blocks = register_module("blocks", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    blocks_.push_back(blocks->register_module(std::to_string(layer), MptBlock(config, layer)));
  }
  register_module("norm_f", norm_f_);
  if (!config.tie_word_embeddings)
    lm_head_ = register_module("lm_head", nn::Linear(config.hidden_size, config.vocab_size, false));
}

Tensor Mpt::embed_tokens(const Tensor& ids) { return wte_(ids); }

Tensor Mpt::enter(const Tensor& embeddings, nn::ForwardContext& context) {
  return wpe_.is_empty() ? embeddings : embeddings + learned_positions(wpe_, context.positions);
}

Tensor Mpt::block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) {
  return blocks_[static_cast<size_t>(layer)](hidden, context);
}

Tensor Mpt::leave(const Tensor& hidden) { return norm_f_(hidden); }

Tensor Mpt::logits(const Tensor& hidden) {
  const Tensor logits = lm_head_.is_empty() ? wte_->project(hidden) : lm_head_(hidden);
  return config_.logit_scale == 1 ? logits : logits * config_.logit_scale;
}

}  // namespace isthmus::decoders
