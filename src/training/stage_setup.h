// From what a stage says to what learns, and how.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/nn/module.h>

#include "recipe/recipe.h"
#include "training/optimizer.h"
#include "training/schedule.h"

namespace isthmus::training {

// Adds the low-rank branches, then turns what the stage names into parameters. Throws what
// add_low_rank and make_trainable throw.
std::vector<Trainable> open_weights(torch::nn::Module& modules, const recipe::Stage& stage);

// What Muon moves where a stage chooses it: matrices of blocks. Tables of embeddings, heads and
// everything else go by AdamW.
bool moved_by_muon(const Trainable& trainable);

// The optimisers of the weights for which `mine` is true, in the stage's groups: each weight in the
// first that names it. Throws UsageError for weights that no group takes.
std::vector<std::unique_ptr<Optimizer>> make_optimizers(const recipe::Stage& stage,
                                                        const std::vector<Trainable>& trainables,
                                                        const std::vector<bool>& mine);

Schedule make_schedule(const recipe::Stage& stage, int64_t steps);

}  // namespace isthmus::training
