// Writes a LLaVA in the files of the original code.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json_view.h"
#include "families/llava/llava.h"
#include "families/output.h"
#include "families/package.h"
#include "layout/lora_config.h"
#include "weights/bind.h"

namespace isthmus::families::llava {

// What a LLaVA was put together from.
struct LlavaOrigin {
  JsonView config;                 // config.json of the model; of a new one, its language model's
  std::filesystem::path language;  // folder of the language model and its tokenizer
  std::filesystem::path tower;     // where the separate vision tower was found; "" for none
  std::vector<weights::WeightSource> sources;  // as bound
  size_t language_source;                      // which of them holds the language model
  std::optional<layout::LoraConfig> lora;      // of the adapter it was loaded with
  bool lora_is_merged = false;
};

// Into `folder`, whole or not at all; other files in it stay. Throws UsageError for a form that
// would lose something that was trained, or that the model does not have; ResourceError for a full
// disk, with whatever was there before untouched.
void save(LlavaModules& modules, const LlavaSettings& settings, const LlavaOrigin& origin,
          const std::filesystem::path& folder, const OutputOptions& options);

// The model's folder, with its tower's in "vision". Throws UsageError for a projector or an adapter
// on a base.
Package package(const LlavaOrigin& origin);

}  // namespace isthmus::families::llava
