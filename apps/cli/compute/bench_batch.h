// How the seconds of a request grow with the number that are answered together.
#pragma once

#include "../options.h"
#include "engine/engine.h"

namespace isthmus::cli {

// Batches of 1, 2, 4 … up to options.bench_batch, every request about a picture of its own. Returns
// the exit status.
int bench_batches(const Options& options, engine::Engine& engine);

}  // namespace isthmus::cli
