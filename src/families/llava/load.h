// Loads a LLaVA from its published files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "families/family.h"
#include "isthmus/model.h"
#include "layout/model_locator.h"

namespace isthmus::families::llava {

// Arguments as in load_family.
std::shared_ptr<Family> load(const std::string& model, const std::string& base,
                             const std::string& name, const LoadOptions& options);

class Llava;

// A projector alone, or a LoRA with what was trained beside it, on the weights of `model` but for
// those of its own adapter: Family::with_aligner.
std::shared_ptr<Family> load_beside(const Llava& model, const std::filesystem::path& folder,
                                    const LoadOptions& options);

}  // namespace isthmus::families::llava
