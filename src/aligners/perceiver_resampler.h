// Any number of vision features to a fixed number of latents. Alayrac et al. 2022, §3.1 and fig. 5,
// as OpenFlamingo builds it: GELU instead of squared ReLU, heads of 64 whatever the width.
#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "aligners/feed_forward.h"
#include "layout/flamingo_config.h"
#include "nn/forward_context.h"
#include "nn/linear.h"
#include "nn/norms.h"
#include "nn/slots.h"

namespace isthmus::aligners {

// to_out(softmax(q kᵀ / sqrt(dim_head)) v) with q = to_q(z̃), [k, v] = to_kv([x̃, z̃]); x̃ and z̃
// are the normalised features and latents.
class PerceiverAttentionImpl : public torch::nn::Module {
 public:
  explicit PerceiverAttentionImpl(const layout::ResamplerConfig& config);
  // features [n, rows, dim], latents [n, num_latents, dim] -> as latents
  Tensor forward(const Tensor& features, const Tensor& latents);

 private:
  int64_t heads_, dim_head_;
  nn::LayerNorm norm_media_, norm_latents_;
  nn::Linear to_q_, to_kv_, to_out_;
};
TORCH_MODULE(PerceiverAttention);

// z = latents; per layer z = z + attention(x, z), z = z + feed_forward(z); norm(z). Names as
// published: latents, layers.{i}.0 (attention), layers.{i}.1 (feed-forward), norm, and where the
// config has them frame_embs and media_time_embs. Weights only; safe from any thread.
class PerceiverResamplerImpl : public nn::SlotModule {
 public:
  explicit PerceiverResamplerImpl(const layout::ResamplerConfig& config);

  // Features of the frames of media, [media, frames, rows, dim] -> latents [media, num_latents,
  // dim]; or with a batch in front of both. Throws InputError for more frames or media than there
  // are embeddings of time for. Probe "aligner.resampler.layers.{i}.attention" (before the
  // residual), [batch · media, num_latents, dim].
  Tensor forward(const Tensor& features, const nn::ForwardContext& context = {});

  const layout::ResamplerConfig& config() const { return config_; }
  std::vector<nn::Slot> slots() override;

 private:
  Tensor with_time(const Tensor& features) const;

  layout::ResamplerConfig config_;
  Tensor latents_, frame_embs_, media_time_embs_;
  std::vector<PerceiverAttention> attentions_;
  std::vector<FeedForward> feed_forwards_;
  nn::LayerNorm norm_;
};
TORCH_MODULE(PerceiverResampler);

}  // namespace isthmus::aligners
