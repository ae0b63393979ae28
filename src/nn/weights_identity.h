// Whether two modules would compute the same, told without reading gigabytes.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <torch/nn/module.h>

#include "base/content_hash.h"

namespace isthmus::nn {

// Adds what the slots below `root` hold whose path begins with one of `parts` ("encoder."): names,
// shapes, storage, every value of what is small, and 16 rows of a large matrix, spread over all of
// it. Training, merging and rounding change every row; who changes single rows of a file in place
// is told by the file's time, which is not looked at here.
void add_weights(ContentHasher& hasher, torch::nn::Module& root,
                 std::initializer_list<std::string_view> parts);

// What else decides the bytes of a result: the kernels in use. The number of threads does not
// (docs/numerics.md).
std::string arithmetic_in_use();

}  // namespace isthmus::nn
