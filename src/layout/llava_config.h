// What the config.json of a LLaVA checkpoint says, whichever layout it was published in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_view.h"
#include "layout/anyres.h"
#include "layout/clip_vision_config.h"
#include "layout/llama_config.h"

namespace isthmus::layout {

// kOriginal: haotian-liu/LLaVA and plain LLaMA or Mistral folders (`model.layers.…`);
// kHuggingFace, kHuggingFaceNext: llava-hf/* (LlavaForConditionalGeneration, LlavaNextFor…).
enum class LlavaLayout { kOriginal, kHuggingFace, kHuggingFaceNext };

enum class DecoderKind { kLlama, kMistral };
enum class ProjectorType { kLinear, kMlp, kIdentity };
enum class SelectFeature { kPatch, kClsPatch };        // kPatch drops the class token
enum class ImageAspectRatio { kCrop, kPad, kAnyres };  // kCrop: plain CLIP preprocessing
enum class PatchMergeType { kFlat, kSpatial, kSpatialUnpad };
enum class PaddingSide { kRight, kLeft };

struct LlavaConfig {
  LlavaLayout layout;
  std::string model_type;  // as written
  DecoderKind decoder;
  LlamaConfig text;
  std::string torch_dtype;  // as written; "" when absent

  // Encoder. `vision_tower` names a folder or repository (original layout); empty means a text-only
  // model there. `vision` is in the file itself in the Hugging Face layouts and comes from the
  // tower's folder in the original one.
  std::string vision_tower;
  std::optional<ClipVisionConfig> vision;
  int64_t select_layer;  // index into the L+1 hidden states, negative from the end
  SelectFeature select_feature;
  bool unfreeze_mm_vision_tower;

  // Aligner.
  ProjectorType projector_type;
  int64_t projector_depth;  // linear layers: 1 for kLinear, N for mlpNx_gelu, 0 for kIdentity
  bool projector_bias;
  int64_t mm_hidden_size;  // projector input width; 0 in a text-only model
  PatchMergeType patch_merge_type;
  bool has_image_newline;  // a learned row after each line of unpadded features

  // Pictures.
  ImageAspectRatio image_aspect_ratio;
  std::vector<PixelSize> grid_pinpoints;  // anyres candidates in the order of the file

  // Text.
  bool mm_use_im_start_end, mm_use_im_patch_token;
  std::optional<int64_t> tokenizer_model_max_length;  // assembled sequences are cut to it
  PaddingSide tokenizer_padding_side;
  int64_t context_len;  // what the reference's loader returns
  std::optional<int64_t>
      image_token_index;  // Hugging Face layouts: the id repeated once per feature
  std::optional<int64_t> bos_token_id, pad_token_id;
  std::optional<int64_t> embedding_padding_idx;  // the language model's own pad_token_id
  std::vector<int64_t> eos_token_ids;

  bool has_vision() const { return vision.has_value() || !vision_tower.empty(); }
  // mlp2x_gelu, linear, …
  std::string projector_name() const;
  // Rows an unpadded picture of one tile contributes, before any newline: N or, with the class
  // token, N + 1.
  int64_t features_per_tile(const ClipVisionConfig& tower) const;
  // Throws ModelError when the tower does not fit this config (mm_hidden_size, select_layer, tile
  // sizes); `tower_source` names the tower's file in the message.
  void check_tower(const ClipVisionConfig& tower, const std::string& tower_source) const;

  // Throws ModelError for a broken file, UnsupportedError for what this build does not do (MPT, S2
  // towers, resamplers, quantised files), naming the key.
  static LlavaConfig parse(const JsonView& json);
};

// "[[336, 672], [672, 336]]" or "[(336, 672), …]": a grid written as Python text, or as JSON.
std::vector<PixelSize> parse_grid_pinpoints(const JsonView& json, bool height_first);

}  // namespace isthmus::layout
