// Writes a module's weights back in the layout they were loaded from.
#pragma once

#include <filesystem>

#include <torch/nn/module.h>

#include "weights/bind.h"

namespace isthmus::weights {

// Writes one source of `bind_weights` into `folder`: same files, names, order and dtypes as
// published, with the values the module holds now. Tensors that no slot took (ignored ones, or
// overridden by a later source) are copied through. Throws ResourceError or ModelError as
// formats::write_checkpoint.
void save_like(torch::nn::Module& root, const WeightSource& source,
               const std::filesystem::path& folder);

}  // namespace isthmus::weights
