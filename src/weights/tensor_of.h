// Stored tensors as torch tensors.
#pragma once

#include <torch/types.h>

#include "formats/raw_tensor.h"

namespace isthmus::weights {

torch::ScalarType scalar_type_of(DType dtype);

// A view of the file's bytes that keeps the mapping alive; a copy where they are not aligned. Must
// not be written.
torch::Tensor tensor_of(const formats::RawTensor& raw);
// Float32, with memory of its own.
torch::Tensor float_tensor_of(const formats::RawTensor& raw);

}  // namespace isthmus::weights
