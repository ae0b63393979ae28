// Writes what was trained of a Flamingo as OpenFlamingo's checkpoint.pt.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "families/flamingo/flamingo.h"
#include "families/output.h"
#include "families/package.h"
#include "weights/bind.h"

namespace isthmus::families::flamingo {

// checkpoint.pt and isthmus.json into `folder`, together or not at all. `sources`: what the modules
// were bound from. Throws UnsupportedError when the vision encoder was trained: the original code
// has no place for it.
void save(FlamingoModules& modules, const layout::FlamingoModel& model,
          std::span<const weights::WeightSource> sources, const std::filesystem::path& folder,
          const OutputOptions& options);

// isthmus.json, with the tower in "vision", the language model in "language_model", and
// checkpoint.pt.
Package package(const layout::FlamingoModel& model,
                const std::vector<weights::WeightSource>& sources);

}  // namespace isthmus::families::flamingo
