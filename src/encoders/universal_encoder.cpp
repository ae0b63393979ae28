#include "encoders/universal_encoder.h"

#include <memory>

#include "base/check.h"

namespace isthmus::encoders {
namespace {

constexpr int64_t kPixelChannels = 3;

OpenClipTransformerOptions transformer_options(const layout::UniversalEncoderConfig& config) {
  return {.width = config.width,
          .layers = config.layers,
          .heads = config.heads,
          .intermediate_size = config.intermediate_size,
          .activation = layout::Activation::kQuickGelu,
          .layer_norm_eps = layout::UniversalEncoderConfig::kLayerNormEps};
}

void show(const nn::ForwardContext& context, std::string_view name, const Tensor& value) {
  if (context.probe != nullptr && context.probe->wants(name)) context.probe->see(name, value);
}

}  // namespace

UniversalEncoderImpl::UniversalEncoderImpl(const layout::UniversalEncoderConfig& config,
                                           const std::vector<layout::ModalityConfig>& modalities)
    : config_(config),
      conv1_(register_module("conv1", PatchEmbedding(PatchGrid{kPixelChannels, config.image_size,
                                                               config.patch_size, config.width}))),
      ln_pre_(register_module("ln_pre", nn::LayerNorm(config.width, config.kLayerNormEps))),
      transformer_(
          register_module("transformer", OpenClipTransformer(transformer_options(config)))),
      ln_post_(register_module("ln_post", nn::LayerNorm(config.width, config.kLayerNormEps))) {
  auto tokenizers =
      register_module("tokenizers", std::make_shared<torch::nn::Module>("ModuleDict"));
  for (const layout::ModalityConfig& modality : modalities) {
    if (!modality.has_tokenizer()) continue;
    ModalityTokenizer tokenizer(modality, config.width);
    tokenizers->register_module(modality.key, tokenizer);
    tokenizers_.emplace(modality.key, tokenizer);
  }
}

nn::Features UniversalEncoderImpl::forward(const Tensor& input, const std::string& key,
                                           const nn::ForwardContext& context, int64_t media) {
  const auto own = tokenizers_.find(key);
  const bool is_own = own != tokenizers_.end();
  ISTHMUS_CHECK(
      is_own || (input.dim() == 4 && input.size(1) == kPixelChannels &&
                 input.size(2) == config_.image_size && input.size(3) == config_.image_size),
      "pictures must be [frames, 3, image_size, image_size]");
  const Tensor tokens = is_own ? own->second->forward(input) : conv1_->forward(input);
  show(context, "encoder.tokens", tokens);
  const Tensor positions = is_own ? own->second->positional_embedding() : positional_embedding_;
  const Tensor class_token = class_embedding_.expand({tokens.size(0), 1, config_.width});
  const Tensor x = torch::cat({class_token, tokens}, 1) + positions;
  const Tensor frames = ln_post_(transformer_(ln_pre_(x), context.probe));
  show(context, "encoder.frames", frames);
  if (frames.size(0) == media) return {frames, key};
  return {frames.unflatten(0, {media, -1}).mean(1), key};
}

std::vector<nn::Slot> UniversalEncoderImpl::slots() {
  return {tensor_slot("class_embedding", class_embedding_, {config_.width}),
          tensor_slot("positional_embedding", positional_embedding_,
                      {config_.num_patches() + 1, config_.width})};
}

}  // namespace isthmus::encoders
