// Loads a LLaVA from its published files.
#pragma once

#include <memory>
#include <string>

#include "families/family.h"
#include "isthmus/model.h"
#include "layout/model_locator.h"

namespace isthmus::families::llava {

// Arguments as in load_family.
std::shared_ptr<Family> load(const std::string& model, const std::string& base,
                             const std::string& name, const LoadOptions& options);

}  // namespace isthmus::families::llava
