// What `isthmus describe` says of a language model on its own besides its module tree.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/json_view.h"
#include "layout/describe_parts.h"
#include "layout/module_tree.h"

namespace isthmus::layout {

struct LanguageModelDescription : ModelDescription {
  int64_t context_length;
  int64_t cache_bytes_per_token;  // keys and values, float32
  ModuleNode module_tree;
};

// A folder with config.json of type mpt, mosaic_gpt, gpt_neox, opt (or llama, mistral), read from
// configs and headers. Throws what reading them throws; a tensor that is missing or misshapen is
// listed.
LanguageModelDescription describe_language_model(const std::filesystem::path& folder);
// The same of tensors that were found elsewhere; name, layout and contents are left to the caller.
LanguageModelDescription describe_language_model(std::string_view model_type,
                                                 const JsonView& config,
                                                 const StoredTensors& stored);

std::string to_text(const LanguageModelDescription& description);
nlohmann::json to_json(const LanguageModelDescription& description);

}  // namespace isthmus::layout
