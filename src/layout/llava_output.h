// What the original LLaVA code writes beside its weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "layout/llava_config.h"

namespace isthmus::layout {

// kProjector: mm_projector.bin, stage 1; kLora: an adapter with the projector beside it; kFull: all
// weights, with the tower's where it was trained.
enum class LlavaOutput { kProjector, kLora, kFull };

// config.json of an output in the original layout: the keys of `like` (the config of the model, or
// of its language model) and, over them, what `config` says. `torch_dtype`: "bfloat16"; "" keeps what `like` says.
nlohmann::json llava_config_json(const LlavaConfig& config, const nlohmann::json& like,
                                 LlavaOutput output, const std::string& torch_dtype);

// The files of a language model's folder that hold no weights: tokenizer, templates, generation and
// preprocessing settings. config.json is not among them.
std::vector<std::filesystem::path> companion_files(const std::filesystem::path& folder);

// Throws UsageError when `folder` holds weights that a loader would take in place of `files`, or
// together with them.
void refuse_other_weights(const std::filesystem::path& folder,
                          const std::vector<std::string>& files);

}  // namespace isthmus::layout
