#include "encoders/open_clip_vit.h"

#include "base/check.h"

namespace isthmus::encoders {
namespace {

constexpr int64_t kChannels = 3;

OpenClipTransformerOptions transformer_options(const layout::OpenClipVisionConfig& config) {
  return {.width = config.width,
          .layers = config.layers,
          .heads = config.heads,
          .intermediate_size = config.intermediate_size,
          .activation = config.activation,
          .layer_norm_eps = config.layer_norm_eps};
}

}  // namespace

OpenClipVitImpl::OpenClipVitImpl(const layout::OpenClipVisionConfig& config,
                                 const OpenClipVitOptions& options)
    : config_(config),
      options_(options),
      conv1_(register_module("conv1", PatchEmbedding(PatchGrid{kChannels, config.image_size,
                                                               config.patch_size, config.width}))),
      ln_pre_(register_module("ln_pre", nn::LayerNorm(config.width, config.layer_norm_eps))),
      transformer_(
          register_module("transformer", OpenClipTransformer(transformer_options(config)))),
      ln_post_(register_module("ln_post", nn::LayerNorm(config.width, config.layer_norm_eps))) {}

Tensor OpenClipVitImpl::tokens(const Tensor& pixels, const nn::ForwardContext& context) {
  ISTHMUS_CHECK(pixels.dim() == 4 && pixels.size(1) == kChannels &&
                    pixels.size(2) == config_.image_size && pixels.size(3) == config_.image_size,
                "pixels must be [n, 3, image_size, image_size]");
  const Tensor class_token = class_embedding_.expand({pixels.size(0), 1, config_.width});
  const Tensor x = torch::cat({class_token, conv1_(pixels)}, 1) + positional_embedding_;
  return transformer_(ln_pre_(x), context.probe);
}

nn::Features OpenClipVitImpl::patch_features(const Tensor& tokens) {
  const Tensor patches = tokens.narrow(1, 1, tokens.size(1) - 1);
  return {options_.ln_post ? ln_post_(patches) : patches};
}

Tensor OpenClipVitImpl::class_embedding(const Tensor& tokens) {
  const Tensor embedding = torch::matmul(ln_post_(tokens.select(1, 0)), proj_);
  return embedding / embedding.norm(2, -1, true);
}

nn::Features OpenClipVitImpl::forward(const Tensor& pixels, const nn::ForwardContext& context) {
  return patch_features(tokens(pixels, context));
}

Tensor OpenClipVitImpl::image_embedding(const Tensor& pixels, const nn::ForwardContext& context) {
  return class_embedding(tokens(pixels, context));
}

OpenClipEncoding OpenClipVitImpl::encode(const Tensor& pixels, const nn::ForwardContext& context) {
  const Tensor all = tokens(pixels, context);
  return {patch_features(all), class_embedding(all)};
}

std::vector<nn::Slot> OpenClipVitImpl::slots() {
  return {
      tensor_slot("class_embedding", class_embedding_, {config_.width}),
      tensor_slot("positional_embedding", positional_embedding_,
                  {config_.num_patches() + 1, config_.width}),
      tensor_slot("proj", proj_, {config_.width, config_.embed_dim}),
  };
}

}  // namespace isthmus::encoders
