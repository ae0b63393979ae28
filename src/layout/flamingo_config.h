// The shape of OpenFlamingo's trained parts. No config is published beside checkpoint.pt: all of it
// follows from the shapes of the tensors.
#pragma once

#include <cstdint>
#include <string>

#include "formats/checkpoint.h"

namespace isthmus::layout {

struct ResamplerConfig {
  int64_t dim;  // width of the vision features
  int64_t depth, heads, dim_head, num_latents;
  int64_t intermediate_size;  // of the feed-forward: dim times ff_mult
  int64_t max_num_media;      // rows of media_time_embs; 0: there are none
  int64_t max_num_frames;     // rows of frame_embs; 0: there are none

  int64_t inner_dim() const { return heads * dim_head; }
};

struct CrossAttentionConfig {
  int64_t lang_dim, vis_dim;  // width of the language model and of the media it reads
  int64_t heads, dim_head;
  int64_t intermediate_size;  // of the feed-forward
  // What a text position may read: the last medium before it, or every medium before it.
  bool only_attend_immediate_media;

  int64_t inner_dim() const { return heads * dim_head; }
};

struct FlamingoConfig {
  static constexpr int64_t kDimHead = 64;  // whatever the language model's own heads are

  ResamplerConfig resampler;
  CrossAttentionConfig cross_attention;
  int64_t cross_attn_every_n_layers;
  int64_t num_blocks;  // gated blocks, before the layers i with (i + 1) % every == 0
  // Quirk: open_clip 2.23 and later normalise the patch tokens (ln_post) before they are handed
  // over; the released models were trained on tokens that are not. open_clip/transformer.py
  bool vision_ln_post;

  int64_t vis_dim() const { return resampler.dim; }
  int64_t lang_dim() const { return cross_attention.lang_dim; }
  bool has_block(int64_t layer) const {
    return (layer + 1) % cross_attn_every_n_layers == 0 &&
           (layer + 1) / cross_attn_every_n_layers <= num_blocks;
  }

  // What the reference makes of a model without a checkpoint.pt: 6 layers, 8 heads, 64 latents,
  // feed-forwards of four times the width.
  static FlamingoConfig fresh(int64_t vis_dim, int64_t lang_dim, int64_t num_hidden_layers,
                              int64_t cross_attn_every_n_layers);

  // From a checkpoint.pt. Throws ModelError naming the tensor that is missing, has an impossible
  // shape or contradicts another, or the layers when they are not every n-th one.
  static FlamingoConfig read(const formats::Checkpoint& checkpoint);

  // Throws ModelError when the blocks do not fit a language model of this size: another model's
  // checkpoint, or another cross_attn_every_n_layers. `language_model` names it in the message.
  void require_fits(int64_t num_hidden_layers, int64_t hidden_size, const std::string& checkpoint,
                    const std::string& language_model) const;
};

}  // namespace isthmus::layout
