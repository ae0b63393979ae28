// The shape of a CLIP vision transformer as config.json states it.
#pragma once

#include <cstdint>

#include "base/json_view.h"

namespace isthmus::layout {

enum class Activation { kQuickGelu, kGelu, kGeluTanh, kSilu, kRelu };
Activation parse_activation(const JsonView& json, std::string_view key, std::string_view fallback);

struct ClipVisionConfig {
  int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads;
  int64_t image_size, patch_size, num_channels;
  double layer_norm_eps;
  Activation hidden_act;
  // Whether the norm behind the last layer is there; no feature that is used has passed it, and
  // llama.cpp's files leave it out.
  bool post_layernorm = true;

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  int64_t patches_per_side() const { return image_size / patch_size; }
  int64_t num_patches() const { return patches_per_side() * patches_per_side(); }
  // `json`: a bare clip_vision_model config, a whole CLIP config with `vision_config`, or LLaVA's
  // vision_config.
  static ClipVisionConfig parse(const JsonView& json);
};

}  // namespace isthmus::layout
