// Language models alone: MPT, MosaicGPT, GPT-NeoX and OPT, text in and text out.
#pragma once

#include <filesystem>
#include <memory>

#include "families/family.h"
#include "isthmus/model.h"

namespace isthmus::families::language_model {

// Whether `model` is the folder of such a model. LLaMA and Mistral alone are LLaVA's, which knows
// their chat templates.
bool is_plain(const std::filesystem::path& model);

std::shared_ptr<Family> load(const std::filesystem::path& folder, const LoadOptions& options);

}  // namespace isthmus::families::language_model
