// The shape of an OPT decoder as its config.json states it.
#pragma once

#include <cstdint>

#include "base/json_view.h"
#include "layout/clip_vision_config.h"

namespace isthmus::layout {

struct OptConfig {
  int64_t hidden_size, ffn_dim, num_hidden_layers, num_attention_heads;
  int64_t vocab_size, max_position_embeddings;
  int64_t word_embed_proj_dim;  // width of the embedding; differs from hidden_size in opt-350m only
  Activation activation_function;
  bool do_layer_norm_before;  // false in opt-350m: norms follow the residual sums
  bool has_final_layer_norm;  // with do_layer_norm_before, unless _remove_final_layer_norm
  bool enable_bias, layer_norm_elementwise_affine, tie_word_embeddings;

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  static OptConfig parse(const JsonView& json);
};

}  // namespace isthmus::layout
