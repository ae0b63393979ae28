// Low-rank branches that begin with a recipe.                           Hu et al. 2021, §4.1
#pragma once

#include <cstdint>

#include <torch/nn/module.h>

#include "recipe/recipe.h"

namespace isthmus::training {

// Beside every linear map that a target names (its module path) and that has no branch yet: A
// uniform in ±1/√in as PEFT draws it, B zeros, scaled by alpha / rank. Returns how many there are
// now. Throws UsageError naming the targets that fit no linear map.
int64_t add_low_rank(torch::nn::Module& root, const recipe::LoraChoice& choice, uint64_t seed);

}  // namespace isthmus::training
