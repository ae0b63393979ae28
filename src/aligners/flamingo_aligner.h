// OpenFlamingo's trained parts: the resampler that makes latents of a medium, and the gated blocks
// through which the language model reads them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "aligners/aligner.h"
#include "aligners/gated_cross_attention.h"
#include "aligners/perceiver_resampler.h"
#include "layout/flamingo_config.h"
#include "nn/media_memory.h"

namespace isthmus::aligners {

// Children `resampler` and `cross_attention.{layer}`, named by the decoder's layers they stand
// before. Weights only; safe from any thread.
class FlamingoAligner : public Aligner, public nn::BlockHook {
 public:
  explicit FlamingoAligner(const layout::FlamingoConfig& config);

  // features [items, rows, vis_dim], every item one medium of one frame -> memory [items,
  // num_latents, vis_dim]. Media with several frames go through resampler() themselves, and so do
  // all media of a model with media_time_embs, for which the place in the sequence counts. Probe
  // "aligner.memory" and the resampler's.
  Alignment align(const nn::Features& features, const nn::ForwardContext& context) override;
  nn::BlockHook* block_hook() override { return this; }

  // Latents of one medium [num_latents, vis_dim] with the keys and values of every gated block,
  // float32. Computed once per medium; not for training, where the blocks project for themselves.
  std::shared_ptr<const nn::MediaMemory> remember(const Tensor& latents);

  // The gated block of this layer, where there is one. Reads context.media: null, or a batch row
  // without media, has nothing to attend to, and only the feed-forward acts.
  Tensor before_block(int64_t layer, const Tensor& hidden,
                      const nn::ForwardContext& context) override;

  PerceiverResampler& resampler() { return resampler_; }
  const layout::FlamingoConfig& config() const { return config_; }

 private:
  layout::FlamingoConfig config_;
  PerceiverResampler resampler_;
  std::vector<GatedCrossAttentionBlock> blocks_;  // in order of their layers
};

// Weights as the reference's constructors draw them, from a generator of this seed: latents and
// embeddings of time N(0, 1), linear maps uniform in ±1/sqrt(in_features) (PyTorch's default),
// norms 1 and 0, gates 0.
void initialise(FlamingoAligner& aligner, uint64_t seed);

}  // namespace isthmus::aligners
