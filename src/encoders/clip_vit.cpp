#include "encoders/clip_vit.h"

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::encoders {
namespace {

nn::SelfAttentionOptions attention_options(const layout::ClipVisionConfig& config, int64_t layer) {
  nn::SelfAttentionOptions options{.hidden_size = config.hidden_size,
                                   .num_attention_heads = config.num_attention_heads,
                                   .num_key_value_heads = config.num_attention_heads,
                                   .head_dim = config.head_dim()};
  options.bias = true;
  options.causal = false;
  options.output_name = "out_proj";
  options.probe_name = "encoder.layers." + std::to_string(layer) + ".attention.weights";
  return options;
}

PatchGrid patch_grid(const layout::ClipVisionConfig& config) {
  return {config.num_channels, config.image_size, config.patch_size, config.hidden_size};
}

int64_t count_layers(const layout::ClipVisionConfig& config, int64_t select_layer) {
  const int64_t states = config.num_hidden_layers + 1;
  const int64_t state = select_layer < 0 ? select_layer + states : select_layer;
  if (state < 0 || state >= states) {
    throw ModelError("The vision tower has " + std::to_string(states) +
                     " hidden states (num_hidden_layers " +
                     std::to_string(config.num_hidden_layers) + "), the model asks for layer " +
                     std::to_string(select_layer));
  }
  return state;
}

void show(const nn::ForwardContext& context, int64_t state, const Tensor& hidden) {
  if (context.probe == nullptr) return;
  const std::string name = "encoder.hidden." + std::to_string(state);
  if (context.probe->wants(name)) context.probe->see(name, hidden);
}

}  // namespace

ClipEmbeddingsImpl::ClipEmbeddingsImpl(const layout::ClipVisionConfig& config)
    : hidden_size_(config.hidden_size),
      patch_embedding_(register_module("patch_embedding", PatchEmbedding(patch_grid(config)))),
      position_embedding_(register_module(
          "position_embedding", nn::Embedding(config.num_patches() + 1, config.hidden_size))) {}

Tensor ClipEmbeddingsImpl::forward(const Tensor& pixels) {
  const Tensor patches = patch_embedding_(pixels);
  const Tensor class_token = class_embedding_.expand({pixels.size(0), 1, hidden_size_});
  const Tensor positions = torch::arange(patches.size(1) + 1, torch::kLong);
  return torch::cat({class_token, patches}, 1) + position_embedding_(positions);
}

std::vector<nn::Slot> ClipEmbeddingsImpl::slots() {
  return {tensor_slot("class_embedding", class_embedding_, {hidden_size_})};
}

ClipBlockImpl::ClipBlockImpl(const layout::ClipVisionConfig& config, int64_t layer)
    : self_attn_(register_module("self_attn", nn::SelfAttention(attention_options(config, layer)))),
      layer_norm1_(
          register_module("layer_norm1", nn::LayerNorm(config.hidden_size, config.layer_norm_eps))),
      mlp_(register_module(
          "mlp", nn::Mlp(config.hidden_size, config.intermediate_size, config.hidden_act))),
      layer_norm2_(register_module("layer_norm2",
                                   nn::LayerNorm(config.hidden_size, config.layer_norm_eps))) {}

Tensor ClipBlockImpl::forward(const Tensor& x, const nn::ForwardContext& context) {
  const Tensor h = x + self_attn_(layer_norm1_(x), context);
  nn::between_blocks(context.probe);
  return h + mlp_(layer_norm2_(h));
}

ClipVitImpl::ClipVitImpl(const layout::ClipVisionConfig& config, const ClipVitOptions& options)
    : config_(config),
      keep_class_token_(options.keep_class_token),
      layers_computed_(count_layers(config, options.select_layer)),
      embeddings_(config),
      pre_layrnorm_(config.hidden_size, config.layer_norm_eps) {
  register_module("embeddings", embeddings_);
  register_module("pre_layrnorm", pre_layrnorm_);  // the published spelling
  auto encoder = register_module("encoder", std::make_shared<torch::nn::Module>("CLIPEncoder"));
  auto layers =
      encoder->register_module("layers", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers_.push_back(layers->register_module(std::to_string(layer), ClipBlock(config, layer)));
  }
  if (config.post_layernorm) {
    post_layernorm_ =
        register_module("post_layernorm", nn::LayerNorm(config.hidden_size, config.layer_norm_eps));
  }
}

nn::Features ClipVitImpl::forward(const Tensor& pixels, const nn::ForwardContext& context) {
  ISTHMUS_CHECK(pixels.dim() == 4 && pixels.size(1) == config_.num_channels &&
                    pixels.size(2) == config_.image_size && pixels.size(3) == config_.image_size,
                "pixels must be [n, num_channels, image_size, image_size]");
  nn::ForwardContext call;  // no cache, no rotation, every patch sees every patch
  call.probe = context.probe;
  Tensor hidden = pre_layrnorm_(embeddings_(pixels));
  show(call, 0, hidden);
  for (int64_t layer = 0; layer < layers_computed_; ++layer) {
    hidden = layers_[static_cast<size_t>(layer)](hidden, call);
    show(call, layer + 1, hidden);
    nn::between_blocks(call.probe);
  }
  return {keep_class_token_ ? hidden : hidden.narrow(1, 1, hidden.size(1) - 1)};
}

}  // namespace isthmus::encoders
