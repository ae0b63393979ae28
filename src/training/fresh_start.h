// Models whose aligner exists in no file yet.
#pragma once

#include <cstdint>
#include <filesystem>

#include "recipe/recipe.h"

namespace isthmus::training {

// Writes what the recipe's first stage begins with into `folder`: the aligner that `model.fresh`
// describes between `model.vision` and `model.base`, drawn from `seed`, so that load_family takes
// the folder (with `base` below a projector).
//  - projector: mm_projector.bin with weights as PyTorch draws those of linear layers (uniform in
//    ±1/√in), and a config.json that is the language model's with the keys of the projector;
//    a tower that is fresh too lies in `vision` inside the folder;
//  - language_model: fresh_parts.h;
//  - gated_cross_attention: families/flamingo/start.h;
//  - universal_projection: families/onellm/start.h, grown out of `model.path` where there is one.
// Throws ModelError: a base or tower that is none; UsageError: sizes that do not fit.
void write_fresh(const recipe::Recipe& recipe, uint64_t seed, const std::filesystem::path& folder);

}  // namespace isthmus::training
