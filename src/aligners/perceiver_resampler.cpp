#include "aligners/perceiver_resampler.h"

#include <cmath>
#include <memory>

#include "base/check.h"
#include "isthmus/error.h"
#include "nn/ops.h"

namespace isthmus::aligners {

PerceiverAttentionImpl::PerceiverAttentionImpl(const layout::ResamplerConfig& config)
    : heads_(config.heads),
      dim_head_(config.dim_head),
      norm_media_(register_module("norm_media", nn::LayerNorm(config.dim, kLayerNormEps))),
      norm_latents_(register_module("norm_latents", nn::LayerNorm(config.dim, kLayerNormEps))),
      to_q_(register_module("to_q", nn::Linear(config.dim, config.inner_dim(), false))),
      to_kv_(register_module("to_kv", nn::Linear(config.dim, 2 * config.inner_dim(), false))),
      to_out_(register_module("to_out", nn::Linear(config.inner_dim(), config.dim, false))) {}

Tensor PerceiverAttentionImpl::forward(const Tensor& features, const Tensor& latents) {
  const Tensor z = norm_latents_(latents);
  const Tensor query = to_q_(z).unflatten(-1, {heads_, dim_head_});
  const Tensor kv = to_kv_(torch::cat({norm_media_(features), z}, 1))
                        .unflatten(-1, {2, heads_, dim_head_});  // keys, then values
  const Tensor key = kv.select(2, 0).transpose(1, 2), value = kv.select(2, 1).transpose(1, 2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(dim_head_));
  return to_out_(nn::ops::attention(query, key, value, scale, {}).flatten(-2));
}

PerceiverResamplerImpl::PerceiverResamplerImpl(const layout::ResamplerConfig& config)
    : config_(config), norm_(config.dim, kLayerNormEps) {
  auto layers = register_module("layers", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t i = 0; i < config.depth; ++i) {
    auto layer = layers->register_module(std::to_string(i),
                                         std::make_shared<torch::nn::Module>("ModuleList"));
    attentions_.push_back(layer->register_module("0", PerceiverAttention(config)));
    feed_forwards_.push_back(
        layer->register_module("1", FeedForward(config.dim, config.intermediate_size)));
  }
  register_module("norm", norm_);
}

// x + frame_embs[frame], rows of all frames in one line, + media_time_embs[medium].
Tensor PerceiverResamplerImpl::with_time(const Tensor& features) const {
  const int64_t media = features.size(1), frames = features.size(2);
  const auto within = [](int64_t count, int64_t limit, const char* what) {
    if (count > limit)
      throw InputError("the model was trained on at most " + std::to_string(limit) + " " + what +
                       ", found " + std::to_string(count));
  };
  Tensor x = features;
  if (config_.max_num_frames > 0) {
    within(frames, config_.max_num_frames, "frames of one medium (frame_embs)");
    x = x + frame_embs_.narrow(0, 0, frames).unsqueeze(1);
  }
  x = x.flatten(2, 3);
  if (config_.max_num_media > 0) {
    within(media, config_.max_num_media, "media (media_time_embs)");
    x = x + media_time_embs_.narrow(0, 0, media);
  }
  return x;
}

Tensor PerceiverResamplerImpl::forward(const Tensor& features, const nn::ForwardContext& context) {
  ISTHMUS_CHECK((features.dim() == 4 || features.dim() == 5) && features.size(-1) == config_.dim,
                "features must be [media, frames, rows, dim], with a batch in front or without");
  if (features.dim() == 4) return forward(features.unsqueeze(0), context).squeeze(0);
  const int64_t batch = features.size(0), media = features.size(1);
  const Tensor x = with_time(features).flatten(0, 1);
  Tensor z = latents_.expand({batch * media, config_.num_latents, config_.dim});
  for (size_t i = 0; i < attentions_.size(); ++i) {
    const Tensor attended = attentions_[i](x, z);
    const std::string name = "aligner.resampler.layers." + std::to_string(i) + ".attention";
    if (context.probe != nullptr && context.probe->wants(name)) context.probe->see(name, attended);
    z = z + attended;
    z = z + feed_forwards_[i](z);
    nn::between_blocks(context.probe);
  }
  return norm_(z).unflatten(0, {batch, media});
}

std::vector<nn::Slot> PerceiverResamplerImpl::slots() {
  std::vector<nn::Slot> out = {
      tensor_slot("latents", latents_, {config_.num_latents, config_.dim})};
  if (config_.max_num_frames > 0)
    out.push_back(tensor_slot("frame_embs", frame_embs_, {config_.max_num_frames, config_.dim}));
  if (config_.max_num_media > 0)
    out.push_back(
        tensor_slot("media_time_embs", media_time_embs_, {config_.max_num_media, 1, config_.dim}));
  return out;
}

}  // namespace isthmus::aligners
