// The shape of an open_clip vision transformer: from open_clip_config.json where there is one, else
// from the shapes of its tensors, as open_clip itself builds OpenAI's models.
#pragma once

#include <cstdint>
#include <filesystem>

#include "formats/checkpoint.h"
#include "layout/clip_vision_config.h"

namespace isthmus::layout {

struct OpenClipVisionConfig {
  int64_t width, layers, heads, intermediate_size;
  int64_t image_size, patch_size;
  int64_t embed_dim;      // columns of `proj`, the space in which pictures and texts are compared
  Activation activation;  // QuickGELU for OpenAI's weights or where the config says so, else GELU
  double layer_norm_eps;

  int64_t head_dim() const { return width / heads; }
  int64_t patches_per_side() const { return image_size / patch_size; }
  int64_t num_patches() const { return patches_per_side() * patches_per_side(); }

  // `checkpoint`: the tensors; `config`: an open_clip_config.json, or "" when there is none: then
  // width, layers, patch and image size follow from the shapes, heads are width / 64, and the
  // activation is QuickGELU (OpenAI's archives are the ones published without a config).
  // Throws ModelError naming the tensor or key when shapes and config contradict each other.
  static OpenClipVisionConfig read(const formats::Checkpoint& checkpoint,
                                   const std::filesystem::path& config);
};

}  // namespace isthmus::layout
