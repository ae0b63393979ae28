#include "decoders/gpt_neox.h"

#include <cmath>
#include <memory>
#include <string>

#include "nn/ops.h"

namespace isthmus::decoders {
namespace {

nn::AttendOptions attend_options(const layout::GptNeoxConfig& config, int64_t layer) {
  nn::AttendOptions options{.scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim()))};
  options.layer = layer;
  options.probe_name = "decoder.layers." + std::to_string(layer) + ".attention.weights";
  return options;
}

nn::LayerNorm norm(const layout::GptNeoxConfig& config) {
  return nn::LayerNorm(config.hidden_size, config.layer_norm_eps);
}

}  // namespace

GptNeoxAttentionImpl::GptNeoxAttentionImpl(const layout::GptNeoxConfig& config, int64_t layer)
    : num_attention_heads_(config.num_attention_heads),
      head_dim_(config.head_dim()),
      qkv_layout_(config.qkv_layout),
      attend_(attend_options(config, layer)),
      query_key_value_(register_module(
          "query_key_value",
          nn::Linear(config.hidden_size, 3 * config.hidden_size, config.attention_bias))),
      dense_(register_module(
          "dense", nn::Linear(config.hidden_size, config.hidden_size, config.attention_bias))) {}

Tensor GptNeoxAttentionImpl::forward(const Tensor& x, const nn::ForwardContext& context) {
  const bool by_head = qkv_layout_ == layout::QkvLayout::kByHead;
  const Tensor rows = query_key_value_(x);
  const Tensor qkv =
      by_head ? rows.unflatten(-1, {num_attention_heads_, 3, head_dim_})
              : rows.unflatten(-1, {3, num_attention_heads_, head_dim_}).transpose(-2, -3);
  const auto rotated = [&](int64_t part) {
    return nn::ops::rotary(qkv.select(-2, part), context.rotary.cos, context.rotary.sin,
                           nn::RotaryLayout::kHalves);
  };
  return dense_(nn::attend(rotated(0), rotated(1), qkv.select(-2, 2), attend_, context));
}

GptNeoxLayerImpl::GptNeoxLayerImpl(const layout::GptNeoxConfig& config, int64_t layer)
    : use_parallel_residual_(config.use_parallel_residual),
      input_layernorm_(register_module("input_layernorm", norm(config))),
      post_attention_layernorm_(register_module("post_attention_layernorm", norm(config))),
      attention_(register_module("attention", GptNeoxAttention(config, layer))),
      mlp_(register_module("mlp",
                           nn::Mlp(config.hidden_size, config.intermediate_size, config.hidden_act,
                                   nn::MlpOptions{true, "dense_h_to_4h", "dense_4h_to_h"}))) {}

Tensor GptNeoxLayerImpl::forward(const Tensor& x, const nn::ForwardContext& context) {
  const Tensor h = x + attention_(input_layernorm_(x), context);
  return h + mlp_(post_attention_layernorm_(use_parallel_residual_ ? x : h));
}

GptNeox::GptNeox(const layout::GptNeoxConfig& config)
    : config_(config),
      geometry_{config.num_hidden_layers, config.num_attention_heads, config.head_dim()},
      rotary_({.dims = config.rotary_dims, .theta = config.rope_theta}),
      embed_in_(config.vocab_size, config.hidden_size),
      final_layer_norm_(norm(config)) {
  register_module("embed_in", embed_in_);
  auto layers = register_module("layers", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers_.push_back(layers->register_module(std::to_string(layer), GptNeoxLayer(config, layer)));
  }
  register_module("final_layer_norm", final_layer_norm_);
  if (!config.tie_word_embeddings) {
    embed_out_ =
        register_module("embed_out", nn::Linear(config.hidden_size, config.vocab_size, false));
  }
}

Tensor GptNeox::embed_tokens(const Tensor& ids) { return embed_in_(ids); }

Tensor GptNeox::enter(const Tensor& embeddings, nn::ForwardContext& context) {
  context.rotary = nn::angles(rotary_, context, embeddings.size(1));
  return embeddings;
}

Tensor GptNeox::block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) {
  return layers_[static_cast<size_t>(layer)](hidden, context);
}

Tensor GptNeox::leave(const Tensor& hidden) { return final_layer_norm_(hidden); }

Tensor GptNeox::logits(const Tensor& hidden) {
  return embed_out_.is_empty() ? embed_in_->project(hidden) : embed_out_(hidden);
}

}  // namespace isthmus::decoders
