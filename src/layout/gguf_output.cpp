#include "layout/gguf_output.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::layout {

namespace {

using formats::GgufEntry;

uint32_t count(int64_t value) { return static_cast<uint32_t>(value); }

[[noreturn]] void unsupported(const char* key, const std::string& what) {
  throw UnsupportedError(
      fmt::format("config.json: {}: {}, which llama.cpp has no words for", key, what));
}

std::vector<float> floats(const std::array<double, 3>& values) {
  return {values.begin(), values.end()};
}

void require_usual_pictures(const modalities::ClipImageConfig& image,
                            const ClipVisionConfig& tower) {
  const int64_t side = tower.image_size;
  const bool resized =
      image.shortest_edge == side ||
      (image.shortest_edge == 0 && image.resize_width == side && image.resize_height == side);
  if (!image.do_resize || !resized || !image.do_normalize || !image.do_rescale ||
      image.resample != media::Filter::kBicubic)
    throw UnsupportedError(
        fmt::format("preprocessor_config.json: only bicubic resizing to the tower's {} pixels, "
                    "rescaling and normalising can be said in a GGUF file",
                    side));
}

const char* ratio_name(ImageAspectRatio ratio) {
  switch (ratio) {
    case ImageAspectRatio::kPad: return "pad";
    case ImageAspectRatio::kAnyres: return "anyres";
    case ImageAspectRatio::kCrop: break;
  }
  return "square";
}

}  // namespace

std::vector<GgufEntry> gguf_language_entries(const LlavaConfig& config, const std::string& name,
                                             const std::string& conversation_template) {
  const LlamaConfig& text = config.text;
  if (text.rope_scaling == RopeScaling::kDynamic) unsupported("rope_scaling", "dynamic scaling");
  if (!text.rope_frequency_factors.empty())
    unsupported("rope_scaling", "frequencies of its own (llama3)");
  std::vector<GgufEntry> entries = {
      {"general.architecture", std::string("llama")},
      {"general.name", name},
      {"llama.vocab_size", count(text.vocab_size)},
      {"llama.context_length", count(text.max_position_embeddings)},
      {"llama.embedding_length", count(text.hidden_size)},
      {"llama.block_count", count(text.num_hidden_layers)},
      {"llama.feed_forward_length", count(text.intermediate_size)},
      {"llama.attention.head_count", count(text.num_attention_heads)},
      {"llama.attention.head_count_kv", count(text.num_key_value_heads)},
      {"llama.attention.key_length", count(text.head_dim)},
      {"llama.attention.value_length", count(text.head_dim)},
      {"llama.attention.layer_norm_rms_epsilon", static_cast<float>(text.rms_norm_eps)},
      {"llama.rope.dimension_count", count(text.head_dim)},
      {"llama.rope.freq_base", static_cast<float>(text.rope_theta)}};
  if (text.sliding_window > 0)
    entries.push_back({"llama.attention.sliding_window", count(text.sliding_window)});
  if (text.rope_scaling == RopeScaling::kLinear) {
    entries.push_back({"llama.rope.scaling.type", std::string("linear")});
    entries.push_back({"llama.rope.scaling.factor", static_cast<float>(text.rope_factor)});
  }
  entries.push_back({"isthmus.conversation_template", conversation_template});
  return entries;
}

int64_t feature_blocks(const LlavaConfig& config, const ClipVisionConfig& tower) {
  return config.select_layer < 0 ? config.select_layer + tower.num_hidden_layers + 1
                                 : config.select_layer;
}

std::vector<GgufEntry> gguf_vision_entries(const LlavaConfig& config, const ClipVisionConfig& tower,
                                           const modalities::ClipImageConfig& image,
                                           const std::string& name) {
  if (config.select_feature == SelectFeature::kClsPatch)
    unsupported("mm_vision_select_feature", "the class token among the features");
  if (config.mm_use_im_start_end) unsupported("mm_use_im_start_end", "tokens around pictures");
  if (config.projector_depth < 1 || config.projector_depth > 2)
    unsupported("mm_projector_type", fmt::format("\"{}\"", config.projector_name()));
  if (config.patch_merge_type == PatchMergeType::kSpatial)
    unsupported("mm_patch_merge_type", "\"spatial\"");
  if (tower.hidden_act != Activation::kQuickGelu && tower.hidden_act != Activation::kGelu &&
      tower.hidden_act != Activation::kSilu)
    unsupported("hidden_act", "this activation of the tower");
  require_usual_pictures(image, tower);
  const int64_t blocks = feature_blocks(config, tower);
  const bool tiled = config.image_aspect_ratio == ImageAspectRatio::kAnyres;
  std::vector<GgufEntry> entries = {
      {"general.architecture", std::string("clip")},
      {"general.type", std::string("mmproj")},
      {"general.name", name},
      {"clip.has_vision_encoder", true},
      {"clip.has_llava_projector", true},
      {"clip.projector_type", std::string("mlp")},
      {"clip.use_gelu", tower.hidden_act == Activation::kGelu},
      {"clip.use_silu", tower.hidden_act == Activation::kSilu},
      {"clip.vision.image_size", count(tower.image_size)},
      {"clip.vision.patch_size", count(tower.patch_size)},
      {"clip.vision.embedding_length", count(tower.hidden_size)},
      {"clip.vision.feed_forward_length", count(tower.intermediate_size)},
      {"clip.vision.projection_dim", count(config.text.hidden_size)},
      {"clip.vision.block_count", count(blocks)},
      {"clip.vision.attention.head_count", count(tower.num_attention_heads)},
      {"clip.vision.attention.layer_norm_epsilon", static_cast<float>(tower.layer_norm_eps)},
      // Without it llama.cpp would stop one block before the last.
      {"clip.vision.feature_layer", std::vector<int32_t>{static_cast<int32_t>(blocks)}},
      {"clip.vision.image_mean", floats(image.image_mean)},
      {"clip.vision.image_std", floats(image.image_std)},
      {"clip.vision.image_aspect_ratio", std::string(ratio_name(config.image_aspect_ratio))},
      {"clip.vision.mm_patch_merge_type",
       std::string(config.has_image_newline ? "spatial_unpad" : "flat")}};
  if (tiled) {
    std::vector<int32_t> pairs;
    for (const PixelSize& size : config.grid_pinpoints)
      pairs.insert(pairs.end(),
                   {static_cast<int32_t>(size.width), static_cast<int32_t>(size.height)});
    entries.push_back({"clip.vision.image_grid_pinpoints", std::move(pairs)});
  }
  return entries;
}

}  // namespace isthmus::layout
