#include "decoders/opt.h"

#include <memory>
#include <string>

#include "decoders/learned_positions.h"
#include "nn/mlp.h"

namespace isthmus::decoders {
namespace {

constexpr double kLayerNormEps = 1e-5;  // not a key of the config: torch's default
// The first two rows of embed_positions are left over from the padding index of fairseq.
constexpr int64_t kPositionOffset = 2;

nn::LayerNorm norm(const layout::OptConfig& config) {
  return nn::LayerNorm(config.hidden_size, kLayerNormEps,
                       config.layer_norm_elementwise_affine ? layout::NormParameters::kWeightAndBias
                                                            : layout::NormParameters::kNone);
}

nn::SelfAttentionOptions attention_options(const layout::OptConfig& config, int64_t layer) {
  nn::SelfAttentionOptions options{.hidden_size = config.hidden_size,
                                   .num_attention_heads = config.num_attention_heads,
                                   .num_key_value_heads = config.num_attention_heads,
                                   .head_dim = config.head_dim()};
  options.bias = config.enable_bias;
  options.output_name = "out_proj";
  options.layer = layer;
  options.probe_name = "decoder.layers." + std::to_string(layer) + ".attention.weights";
  return options;
}

}  // namespace

OptLayerImpl::OptLayerImpl(const layout::OptConfig& config, int64_t layer)
    : do_layer_norm_before_(config.do_layer_norm_before),
      activation_(config.activation_function),
      self_attn_(register_module("self_attn", nn::SelfAttention(attention_options(config, layer)))),
      self_attn_layer_norm_(register_module("self_attn_layer_norm", norm(config))),
      fc1_(register_module("fc1",
                           nn::Linear(config.hidden_size, config.ffn_dim, config.enable_bias))),
      fc2_(register_module("fc2",
                           nn::Linear(config.ffn_dim, config.hidden_size, config.enable_bias))),
      final_layer_norm_(register_module("final_layer_norm", norm(config))) {}

Tensor OptLayerImpl::forward(const Tensor& x, const nn::ForwardContext& context) {
  const auto feed_forward = [&](const Tensor& rows) {
    return fc2_(nn::activate(fc1_(rows), activation_));
  };
  if (do_layer_norm_before_) {
    const Tensor h = nn::asking_rows(x, context) + self_attn_(self_attn_layer_norm_(x), context);
    return h + feed_forward(final_layer_norm_(h));
  }
  const Tensor h = self_attn_layer_norm_(nn::asking_rows(x, context) + self_attn_(x, context));
  return final_layer_norm_(h + feed_forward(h));
}

Opt::Opt(const layout::OptConfig& config)
    : config_(config),
      geometry_{config.num_hidden_layers, config.num_attention_heads, config.head_dim()},
      embed_tokens_(config.vocab_size, config.word_embed_proj_dim),
      embed_positions_(config.max_position_embeddings + kPositionOffset, config.hidden_size) {
  register_module("embed_tokens", embed_tokens_);
  register_module("embed_positions", embed_positions_);
  if (config.word_embed_proj_dim != config.hidden_size) {
    project_out_ = register_module(
        "project_out", nn::Linear(config.hidden_size, config.word_embed_proj_dim, false));
    project_in_ = register_module(
        "project_in", nn::Linear(config.word_embed_proj_dim, config.hidden_size, false));
  }
  auto layers = register_module("layers", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers_.push_back(layers->register_module(std::to_string(layer), OptLayer(config, layer)));
  }
  if (config.has_final_layer_norm)
    final_layer_norm_ = register_module("final_layer_norm", norm(config));
  if (!config.tie_word_embeddings) {
    lm_head_ = register_module("lm_head",
                               nn::Linear(config.word_embed_proj_dim, config.vocab_size, false));
  }
}

Tensor Opt::embed_tokens(const Tensor& ids) {
  const Tensor rows = embed_tokens_(ids);
  return project_in_.is_empty() ? rows : project_in_(rows);
}

Tensor Opt::enter(const Tensor& embeddings, nn::ForwardContext& context) {
  return embeddings + learned_positions(embed_positions_, context.positions, kPositionOffset);
}

Tensor Opt::block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) {
  return layers_[static_cast<size_t>(layer)](hidden, context);
}

Tensor Opt::leave(const Tensor& hidden) {
  return final_layer_norm_.is_empty() ? hidden : final_layer_norm_(hidden);
}

Tensor Opt::logits(const Tensor& hidden) {
  const Tensor rows = project_out_.is_empty() ? hidden : project_out_(hidden);
  return lm_head_.is_empty() ? embed_tokens_->project(rows) : lm_head_(rows);
}

}  // namespace isthmus::decoders
