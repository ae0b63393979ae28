#include "decoders/llama.h"

#include <string>

namespace isthmus::decoders {
namespace {

nn::SelfAttentionOptions attention_options(const layout::LlamaConfig& config, int64_t layer) {
  nn::SelfAttentionOptions options{.hidden_size = config.hidden_size,
                                   .num_attention_heads = config.num_attention_heads,
                                   .num_key_value_heads = config.num_key_value_heads,
                                   .head_dim = config.head_dim};
  options.bias = config.attention_bias;
  options.sliding_window = config.sliding_window;
  options.rotary_layout = config.rope_layout == layout::RopeLayout::kHalves
                              ? nn::RotaryLayout::kHalves
                              : nn::RotaryLayout::kPairs;
  options.layer = layer;
  options.probe_name = "decoder.layers." + std::to_string(layer) + ".attention.weights";
  return options;
}

nn::RotaryOptions rotary_options(const layout::LlamaConfig& config) {
  return {config.head_dim,
          config.rope_theta,
          config.rope_scaling,
          config.rope_factor,
          config.max_position_embeddings,
          config.rope_frequency_factors};
}

}  // namespace

LlamaBlockImpl::LlamaBlockImpl(const layout::LlamaConfig& config, int64_t layer)
    : self_attn_(register_module("self_attn", nn::SelfAttention(attention_options(config, layer)))),
      mlp_(register_module("mlp", nn::GatedMlp(config.hidden_size, config.intermediate_size))),
      input_layernorm_(
          register_module("input_layernorm", nn::RmsNorm(config.hidden_size, config.rms_norm_eps))),
      post_attention_layernorm_(register_module(
          "post_attention_layernorm", nn::RmsNorm(config.hidden_size, config.rms_norm_eps))) {}

Tensor LlamaBlockImpl::forward(const Tensor& x, const nn::ForwardContext& context) {
  const Tensor h = nn::asking_rows(x, context) + self_attn_(input_layernorm_(x), context);
  return h + mlp_(post_attention_layernorm_(h));
}

Llama::Llama(const layout::LlamaConfig& config)
    : config_(config),
      geometry_{config.num_hidden_layers, config.num_key_value_heads, config.head_dim},
      rotary_(rotary_options(config)),
      embed_tokens_(config.vocab_size, config.hidden_size),
      norm_(config.hidden_size, config.rms_norm_eps) {
  register_module("embed_tokens", embed_tokens_);
  auto layers = register_module("layers", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers_.push_back(layers->register_module(std::to_string(layer), LlamaBlock(config, layer)));
  }
  register_module("norm", norm_);
  if (!config.tie_word_embeddings) {
    lm_head_ = register_module("lm_head", nn::Linear(config.hidden_size, config.vocab_size, false));
  }
}

Tensor Llama::embed_tokens(const Tensor& ids) { return embed_tokens_(ids); }

Tensor Llama::enter(const Tensor& embeddings, nn::ForwardContext& context) {
  context.rotary = nn::angles(rotary_, context, embeddings.size(1));
  return embeddings;
}

Tensor Llama::block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) {
  return layers_[static_cast<size_t>(layer)](hidden, context);
}

Tensor Llama::leave(const Tensor& hidden) { return norm_(hidden); }

Tensor Llama::logits(const Tensor& hidden) {
  return lm_head_.is_empty() ? embed_tokens_->project(hidden) : lm_head_(hidden);
}

}  // namespace isthmus::decoders
