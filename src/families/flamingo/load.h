// Loads a Flamingo from its published pieces.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "families/flamingo/flamingo.h"
#include "isthmus/model.h"
#include "layout/flamingo_folder.h"
#include "layout/flamingo_model.h"
#include "weights/bind.h"

namespace isthmus::families::flamingo {

// `model`: as found by ModelLocator; `base`: --base. Throws what finding and binding throw.
std::shared_ptr<Family> load(const std::filesystem::path& model, const std::string& base,
                             const LoadOptions& options);
std::shared_ptr<Family> load(layout::FlamingoSources sources, const LoadOptions& options);

// The parts of `model` with their weights; those of an aligner without a checkpoint are drawn from
// `seed`.
std::shared_ptr<FlamingoModules> bind(const layout::FlamingoModel& model,
                                      const LoadOptions& options, uint64_t seed);

// What the modules are bound from. Later sources win: what was trained over the language model it
// was trained on; the checkpoint, if there is one, is the last.
std::vector<weights::WeightSource> weight_sources(const layout::FlamingoModel& model);

// A checkpoint.pt on the weights of `model` but for those that its own checkpoint brought:
// Family::with_aligner.
std::shared_ptr<Family> load_beside(const Flamingo& model, const std::filesystem::path& folder,
                                    const LoadOptions& options);

}  // namespace isthmus::families::flamingo
