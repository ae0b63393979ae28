#include "layout/llava_output.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "isthmus/error.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

const char* name_of(SelectFeature feature) {
  return feature == SelectFeature::kPatch ? "patch" : "cls_patch";
}

const char* name_of(ImageAspectRatio ratio) {
  switch (ratio) {
    case ImageAspectRatio::kPad: return "pad";
    case ImageAspectRatio::kAnyres: return "anyres";
    case ImageAspectRatio::kCrop: return "square";
  }
  return "square";
}

const char* name_of(PatchMergeType type) {
  switch (type) {
    case PatchMergeType::kFlat: return "flat";
    case PatchMergeType::kSpatial: return "spatial";
    case PatchMergeType::kSpatialUnpad: return "spatial_unpad";
  }
  return "flat";
}

void set_class(const LlavaConfig& config, nlohmann::json& json) {
  const bool mistral = config.decoder == DecoderKind::kMistral;
  json["architectures"] = {mistral ? "LlavaMistralForCausalLM" : "LlavaLlamaForCausalLM"};
  // The first checkpoints are of type "llava", which the original code still knows.
  if (!config.model_type.starts_with("llava"))
    json["model_type"] = mistral ? "llava_mistral" : "llava_llama";
}

// initialize_vision_modules of llava_arch.py and train() of train.py.
void set_vision(const LlavaConfig& config, LlavaOutput output, nlohmann::json& json) {
  json["use_mm_proj"] = true;
  json["mm_vision_tower"] = config.vision_tower;
  json["mm_hidden_size"] = config.mm_hidden_size;
  json["mm_projector_type"] = config.projector_name();
  json["mm_vision_select_layer"] = config.select_layer;
  json["mm_vision_select_feature"] = name_of(config.select_feature);
  json["mm_patch_merge_type"] = name_of(config.patch_merge_type);
  json["mm_use_im_start_end"] = config.mm_use_im_start_end;
  json["mm_use_im_patch_token"] = config.mm_use_im_patch_token;
  json["image_aspect_ratio"] = name_of(config.image_aspect_ratio);
  if (!config.grid_pinpoints.empty()) {
    json["image_grid_pinpoints"] = nlohmann::json::array();
    for (const PixelSize& size : config.grid_pinpoints)
      json["image_grid_pinpoints"].push_back({size.width, size.height});
  }
  json["unfreeze_mm_vision_tower"] = config.unfreeze_mm_vision_tower;
  json["tune_mm_mlp_adapter"] = output == LlavaOutput::kProjector;
  json["freeze_mm_mlp_adapter"] = false;
}

constexpr std::array kCompanions = {"tokenizer.model",
                                    "tokenizer.json",
                                    "tokenizer_config.json",
                                    "special_tokens_map.json",
                                    "added_tokens.json",
                                    "vocab.json",
                                    "merges.txt",
                                    "generation_config.json",
                                    "chat_template.jinja",
                                    "chat_template.json",
                                    "preprocessor_config.json",
                                    "processor_config.json"};

// Whatever LlavaFolder::open looks for, in the order in which it decides.
constexpr std::array kWeightFiles = {"model.safetensors.index.json", "model.safetensors",
                                     "pytorch_model.bin.index.json", "pytorch_model.bin",
                                     "adapter_model.safetensors",    "adapter_model.bin",
                                     "mm_projector.safetensors",     "mm_projector.bin"};

}  // namespace

nlohmann::json llava_config_json(const LlavaConfig& config, const nlohmann::json& like,
                                 LlavaOutput output, const std::string& torch_dtype) {
  nlohmann::json json = like;
  if (!torch_dtype.empty()) {
    json.erase("dtype");  // how newer versions spell it
    json["torch_dtype"] = torch_dtype;
  }
  if (config.layout != LlavaLayout::kOriginal) return json;
  json["vocab_size"] = config.text.vocab_size;
  json["use_cache"] = true;
  if (!config.has_vision()) return json;
  set_class(config, json);
  set_vision(config, output, json);
  json["tokenizer_padding_side"] =
      config.tokenizer_padding_side == PaddingSide::kLeft ? "left" : "right";
  if (config.tokenizer_model_max_length)
    json["tokenizer_model_max_length"] = *config.tokenizer_model_max_length;
  return json;
}

std::vector<fs::path> companion_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const char* name : kCompanions)
    if (fs::is_regular_file(folder / name, ignored)) files.push_back(folder / name);
  return files;
}

void refuse_other_weights(const fs::path& folder, const std::vector<std::string>& files) {
  std::error_code ignored;
  for (const char* name : kWeightFiles)
    if (fs::exists(folder / name, ignored) && std::ranges::find(files, name) == files.end())
      throw UsageError(
          fmt::format("{}: holds {} already, which is no part of what is to be written ({}); name "
                      "another folder",
                      folder.string(), name, files.front()));
}

}  // namespace isthmus::layout
