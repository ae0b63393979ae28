#include "weights/tensor_of.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "nn/parallel.h"
#include "weights/ggml_matrix.h"

namespace isthmus::weights {
namespace {

// Rows of blocks are unpacked by all threads.
void unpack(const formats::RawTensor& raw, float* out) {
  const formats::GgmlBlock block = formats::block_of(*raw.blocks);
  const int64_t row = raw.shape.empty() ? 1 : raw.shape.back();
  const size_t row_bytes = static_cast<size_t>(row / block.elements) * block.bytes;
  nn::parallel_tasks(row == 0 ? 0 : raw.element_count() / row, [&](int64_t r) {
    formats::ggml_to_floats(*raw.blocks, raw.bytes.data() + static_cast<size_t>(r) * row_bytes, row,
                            out + r * row);
  });
}

// A copy of the tensor's own, in its stored type.
torch::Tensor copy_of(const formats::RawTensor& raw) {
  torch::Tensor out = torch::empty(raw.shape, scalar_type_of(raw.dtype));
  if (raw.blocks) {
    unpack(raw, out.data_ptr<float>());
    return out;
  }
  auto* to = static_cast<std::byte*>(out.data_ptr());
  formats::for_each_contiguous_piece(raw, [&to](std::span<const std::byte> piece) {
    to = std::copy(piece.begin(), piece.end(), to);
  });
  return out;
}

}  // namespace

bool view_as_rows(const formats::RawTensor& raw, nn::StoredMatrix& out) {
  if (raw.blocks) return false;
  int64_t cols = 1;
  for (size_t d = raw.shape.size(); d-- > 1;) {
    if (raw.shape[d] != 1 && raw.strides[d] != cols) return false;
    cols *= raw.shape[d];
  }
  const int64_t rows = raw.shape[0], stride = rows == 1 ? cols : raw.strides[0];
  if (stride < cols) return false;
  out = {raw.dtype, raw.bytes.data(), rows, cols, stride};
  return true;
}

torch::ScalarType scalar_type_of(DType dtype) {
  switch (dtype) {
    case DType::kF64: return torch::kDouble;
    case DType::kF32: return torch::kFloat;
    case DType::kF16: return torch::kHalf;
    case DType::kBF16: return torch::kBFloat16;
    case DType::kI64: return torch::kLong;
    case DType::kI32: return torch::kInt;
    case DType::kI16: return torch::kShort;
    case DType::kI8: return torch::kChar;
    case DType::kU16:
    case DType::kQ4:
    case DType::kQ5:
    case DType::kQ6:
    case DType::kQ8:
      throw UnsupportedError(
          fmt::format("weights of type {}, which torch does not have", name_of(dtype)));
    case DType::kU8: return torch::kByte;
    case DType::kBool: return torch::kBool;
  }
  fail_check("a known dtype", __FILE__, __LINE__, std::to_string(static_cast<int>(dtype)));
}

std::shared_ptr<const nn::QuantisedMatrix> blocks_of(const formats::RawTensor& raw) {
  ISTHMUS_CHECK(is_quantised(raw.dtype) && !raw.shape.empty(), raw.name);
  return std::make_shared<const nn::QuantisedMatrix>(
      raw.dtype, raw.shape[0], raw.element_count() / raw.shape[0], raw.bytes.data(), raw.owner);
}

std::shared_ptr<const nn::QuantisedMatrix> quantised(const formats::RawTensor& raw, DType kind) {
  if (raw.blocks) return quantised_blocks(raw, kind);
  nn::StoredMatrix rows;
  const bool in_place = is_floating_point(raw.dtype) && raw.dtype != DType::kF64;
  if (in_place && view_as_rows(raw, rows))
    return nn::QuantisedMatrix::quantise(kind, nn::DenseMatrix(rows, raw.owner));
  const nn::DenseMatrix values(float_tensor_of(raw).contiguous().reshape({raw.shape[0], -1}));
  return nn::QuantisedMatrix::quantise(kind, values);
}

torch::Tensor tensor_of(const formats::RawTensor& raw) {
  if (is_quantised(raw.dtype)) return blocks_of(raw)->to_dense().view(raw.shape);
  const auto address = reinterpret_cast<std::uintptr_t>(raw.bytes.data());
  if (raw.blocks || raw.bytes.empty() || address % size_of(raw.dtype) != 0) return copy_of(raw);
  // torch has no tensor of constant bytes; the mapping is read-only, so a write would be a crash,
  // not a lie.
  void* data = const_cast<std::byte*>(raw.bytes.data());
  return torch::from_blob(
      data, raw.shape, raw.strides, [owner = raw.owner](void*) {},
      torch::dtype(scalar_type_of(raw.dtype)));
}

torch::Tensor float_tensor_of(const formats::RawTensor& raw) {
  if (is_quantised(raw.dtype)) return tensor_of(raw);
  return copy_of(raw).to(torch::kFloat);
}

formats::RawTensor raw_of(const torch::Tensor& values, const Shape& shape, DType dtype) {
  auto kept =
      std::make_shared<const torch::Tensor>(values.detach().to(scalar_type_of(dtype)).contiguous());
  formats::RawTensor out;
  out.dtype = dtype;
  out.shape = shape;
  out.strides = formats::row_major_strides(shape);
  out.bytes = {static_cast<const std::byte*>(kept->data_ptr()),
               static_cast<size_t>(kept->nbytes())};
  out.owner = kept;
  return out;
}

formats::RawTensor raw_of(const std::string& name, const torch::Tensor& values) {
  formats::RawTensor out = raw_of(values, values.sizes().vec(), DType::kF32);
  out.name = name;
  return out;
}

}  // namespace isthmus::weights
