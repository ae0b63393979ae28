// One stage of a recipe as a command trains it: with a bar, held-out measurements, and files that
// tell of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "../options.h"
#include "interrupt.h"
#include "isthmus/model.h"
#include "recipe/recipe.h"
#include "training/processes.h"

namespace isthmus::cli {

// A model as load_family takes it.
struct Place {
  std::string model, base;
};

// How long the steps take, what is measured between them left out.
struct StageClock {
  std::function<void(int64_t step)> on_begin = [](int64_t) {};  // of this call, after `step`
  std::function<void(int64_t step, double seconds)> on_step = [](int64_t, double) {};
};

// Where the first stage begins: the model that the recipe names, or a fresh aligner, written to
// out/start once.
Place first_place(const recipe::Recipe& recipe, const std::filesystem::path& out,
                  training::Processes& processes);

// `options` with what the recipe says of vision and the stage of storage. Throws UsageError for a
// part that is none.
LoadOptions stage_load_options(const LoadOptions& options, const recipe::Recipe& recipe,
                               const recipe::Stage& stage);

// Shows what stage `index` begins with (preflight.h), trains it from `place`, or from the
// checkpoints below `out`, and leaves out/model. False: interrupted, and saved.
bool train_stage(const Options& options, const recipe::Recipe& recipe, size_t index,
                 const Place& place, const std::filesystem::path& out,
                 const std::shared_ptr<training::Processes>& processes, const Interrupt& interrupt,
                 const StageClock& clock = {});

}  // namespace isthmus::cli
