// Stored tensors as torch tensors.
#pragma once

#include <string>

#include <torch/types.h>

#include "formats/raw_tensor.h"

namespace isthmus::weights {

torch::ScalarType scalar_type_of(DType dtype);

// A view of the file's bytes that keeps the mapping alive; a copy where they are not aligned. Must
// not be written.
torch::Tensor tensor_of(const formats::RawTensor& raw);
// Float32, with memory of its own.
torch::Tensor float_tensor_of(const formats::RawTensor& raw);

// The other way: values of this type in row-major order, with memory of their own where they are
// not like that already.
formats::RawTensor raw_of(const torch::Tensor& values, const Shape& shape, DType dtype);
// Float32, of the tensor's own shape.
formats::RawTensor raw_of(const std::string& name, const torch::Tensor& values);

}  // namespace isthmus::weights
