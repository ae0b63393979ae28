// A model folder on disk: what it holds, decided from its files and config; its name is only a
// hint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "layout/llava_config.h"
#include "layout/lora_config.h"

namespace isthmus::layout {

// kFullModel: the language model, with or without projector and tower; kProjectorOnly: the output
// of stage 1; kLora: an adapter, with the projector beside it. The last two need a base.
enum class FolderContents { kFullModel, kProjectorOnly, kLora };

struct LlavaFolder {
  std::filesystem::path path;
  std::string
      name;  // as the reference shortens a path: llava-v1.5-7b, llava-v1.5-7b_checkpoint-100
  LlavaConfig config;
  FolderContents contents;

  std::filesystem::path projector_file;            // kProjectorOnly: mm_projector.bin
  std::filesystem::path adapter_file;              // kLora: adapter_model.safetensors or .bin
  std::filesystem::path non_lora_trainables_file;  // kLora: "" when there is none
  std::optional<LoraConfig> lora;                  // kLora

  bool needs_base() const { return contents != FolderContents::kFullModel; }

  // `path`: the folder that holds config.json, or a weights file in it; a file
  // mm_projector/checkpoint-N.bin, as the trainer leaves them, is a projector whose config.json
  // lies one level up. End-of-sequence ids come from generation_config.json when it has them.
  // Throws ModelError: no config.json, neither weights nor projector nor adapter (lists what was
  // looked for).
  static LlavaFolder open(const std::filesystem::path& path);
};

// The vision tower's config from its folder or, for a weights file, from the folder around it.
ClipVisionConfig load_tower_config(const std::filesystem::path& tower);

// The last component of a path, with its parent in front when it is a `checkpoint-N`; the
// repository's name for a snapshot of the Hugging Face cache.
std::string model_name_from_path(const std::filesystem::path& path);

}  // namespace isthmus::layout
