// Loads a Flamingo from its published pieces.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "families/family.h"
#include "isthmus/model.h"
#include "layout/flamingo_folder.h"

namespace isthmus::families::flamingo {

// `model`: as found by ModelLocator; `base`: --base. Throws what finding and binding throw.
std::shared_ptr<Family> load(const std::filesystem::path& model, const std::string& base,
                             const LoadOptions& options);
std::shared_ptr<Family> load(layout::FlamingoSources sources, const LoadOptions& options);

}  // namespace isthmus::families::flamingo
