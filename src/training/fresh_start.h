// Models whose aligner exists in no file yet.
#pragma once

#include <cstdint>
#include <filesystem>

#include "recipe/recipe.h"

namespace isthmus::training {

// Writes what LLaVA's first stage begins with into `folder`: mm_projector.bin with weights as
// PyTorch draws those of linear layers (uniform in ±1/√in), and a config.json that is the language
// model's with the keys of the projector. Loaded with `base` below it. Throws ModelError: a base or
// tower that is none, UsageError: a projector that is no "linear" or "mlp<N>x_gelu".
void write_fresh_llava(const recipe::FreshAligner& aligner, const std::filesystem::path& base,
                       const std::filesystem::path& vision, uint64_t seed,
                       const std::filesystem::path& folder);

}  // namespace isthmus::training
