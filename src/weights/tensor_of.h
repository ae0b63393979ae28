// Stored tensors as torch tensors.
#pragma once

#include <memory>
#include <string>

#include <torch/types.h>

#include "formats/raw_tensor.h"
#include "nn/matmul.h"
#include "nn/quantised_matrix.h"

namespace isthmus::weights {

torch::ScalarType scalar_type_of(DType dtype);

// The tensor read in place as rows; false when its layout does not allow that.
bool view_as_rows(const formats::RawTensor& raw, nn::StoredMatrix& out);
// Rounded to blocks of few bits. Sixteen rows a thread are floats at a time, where the file's rows
// can be read in place.
std::shared_ptr<const nn::QuantisedMatrix> quantised(const formats::RawTensor& raw, DType kind);
// Blocks of few bits, read in place.
std::shared_ptr<const nn::QuantisedMatrix> blocks_of(const formats::RawTensor& raw);
// A view of the file's bytes that keeps the mapping alive; a copy where they are not aligned. Must
// not be written. Of blocks of few bits, what they stand for in float32.
torch::Tensor tensor_of(const formats::RawTensor& raw);
// Float32, with memory of its own.
torch::Tensor float_tensor_of(const formats::RawTensor& raw);

// The other way: values of this type in row-major order, with memory of their own where they are
// not like that already.
formats::RawTensor raw_of(const torch::Tensor& values, const Shape& shape, DType dtype);
// Float32, of the tensor's own shape.
formats::RawTensor raw_of(const std::string& name, const torch::Tensor& values);

}  // namespace isthmus::weights
