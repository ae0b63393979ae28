// From the files of a OneLLM, or of a LLaMA in Meta's layout, to a bound model.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "families/family.h"
#include "isthmus/model.h"

namespace isthmus::families::onellm {

// `model`: where ModelLocator found it; `base` as find_onellm takes it.
std::shared_ptr<Family> load(const std::filesystem::path& model, const std::string& base,
                             const LoadOptions& options);

}  // namespace isthmus::families::onellm
