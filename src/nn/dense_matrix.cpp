#include "nn/dense_matrix.h"

#include <cstring>

#include "base/check.h"
#include "nn/ops.h"
#include "nn/work.h"

namespace isthmus::nn {
namespace {

torch::ScalarType scalar_type_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return torch::kFloat;
    case DType::kF16: return torch::kHalf;
    case DType::kBF16: return torch::kBFloat16;
    default: break;
  }
  fail_check("dtype is a float of at most 32 bits", __FILE__, __LINE__,
             std::string(name_of(dtype)));
}

DType dtype_of(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat: return DType::kF32;
    case torch::kHalf: return DType::kF16;
    case torch::kBFloat16: return DType::kBF16;
    default: break;
  }
  fail_check("type is a float of at most 32 bits", __FILE__, __LINE__, torch::toString(type));
}

// The bytes may be unaligned, so 16-bit values are read through memcpy.
void widen(const std::byte* from, DType dtype, int64_t count, float* to) {
  if (dtype == DType::kF32) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof(bits));
    to[i] = dtype == DType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
  }
}

std::vector<int64_t> with_last(const Tensor& x, int64_t last) {
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = last;
  return sizes;
}

StoredMatrix stored_of(const Tensor& values) {
  return {dtype_of(values.scalar_type()), values.data_ptr(), values.size(0), values.size(1),
          values.stride(0)};
}

}  // namespace

DenseMatrix::DenseMatrix(const StoredMatrix& stored, std::shared_ptr<const void> owner,
                         Arithmetic arithmetic)
    : stored_(stored), owner_(std::move(owner)), arithmetic_(arithmetic) {
  ISTHMUS_CHECK(stored_.rows > 0 && stored_.cols > 0 && stored_.row_stride >= stored_.cols,
                "a matrix needs rows and columns");
}

DenseMatrix::DenseMatrix(const Tensor& values, Arithmetic arithmetic) : arithmetic_(arithmetic) {
  ISTHMUS_CHECK(values.dim() == 2, "a matrix has two dimensions");
  const bool dense_rows = values.stride(1) == 1 && values.stride(0) >= values.size(1);
  auto kept =
      std::make_shared<const Tensor>(dense_rows ? values.detach() : values.detach().contiguous());
  stored_ = stored_of(*kept);
  owner_ = std::move(kept);
}

size_t DenseMatrix::bytes() const {
  return static_cast<size_t>(stored_.rows * stored_.cols) * size_of(stored_.dtype);
}

bool DenseMatrix::fused(const Tensor& x) const {
  return ops::fused_enabled() && x.device().is_cpu() && x.scalar_type() == torch::kFloat;
}

Tensor DenseMatrix::apply(const Tensor& x, const Tensor& bias) const {
  ISTHMUS_CHECK(x.size(-1) == stored_.cols, "row length differs from the matrix's columns");
  count_product(*this, x.numel() / stored_.cols);
  if (!fused(x)) {
    const Tensor wide = to_dense().to(x.scalar_type());
    return torch::linear(x, wide, bias.defined() ? bias.to(x.scalar_type()) : bias);
  }
  const Tensor rows = x.contiguous();
  Tensor y = torch::empty(with_last(x, stored_.rows), x.options());
  if (x.numel() == 0) return y;
  const Tensor offset = bias.defined() ? bias.contiguous() : bias;
  matmul_transposed(rows.data_ptr<float>(), rows.numel() / stored_.cols, stored_,
                    offset.defined() ? offset.data_ptr<float>() : nullptr, y.data_ptr<float>(),
                    arithmetic_);
  return y;
}

Tensor DenseMatrix::apply_transposed(const Tensor& dy) const {
  ISTHMUS_CHECK(dy.size(-1) == stored_.rows, "row length differs from the matrix's rows");
  if (!fused(dy)) return torch::matmul(dy, to_dense().to(dy.scalar_type()));
  const Tensor rows = dy.contiguous();
  Tensor dx = torch::empty(with_last(dy, stored_.cols), dy.options());
  if (dy.numel() == 0) return dx;
  matmul(rows.data_ptr<float>(), rows.numel() / stored_.rows, stored_, dx.data_ptr<float>());
  return dx;
}

Tensor DenseMatrix::gather_rows(const Tensor& ids) const {
  const Tensor flat = ids.to(torch::kLong).contiguous();
  std::vector<int64_t> sizes = ids.sizes().vec();
  sizes.push_back(stored_.cols);
  Tensor out = torch::empty(sizes, torch::kFloat);
  const auto* bytes = static_cast<const std::byte*>(stored_.data);
  const auto row_bytes = stored_.row_stride * static_cast<int64_t>(size_of(stored_.dtype));
  for (int64_t i = 0; i < flat.numel(); ++i) {
    const int64_t id = flat.data_ptr<int64_t>()[i];
    ISTHMUS_CHECK(id >= 0 && id < stored_.rows,
                  "row " + std::to_string(id) + " of " + std::to_string(stored_.rows));
    widen(bytes + id * row_bytes, stored_.dtype, stored_.cols,
          out.data_ptr<float>() + i * stored_.cols);
  }
  return out;
}

Tensor DenseMatrix::to_dense() const {
  // Widened by ATen, on all threads, after a plain copy that does not mind unaligned rows.
  Tensor same = torch::empty({stored_.rows, stored_.cols}, scalar_type_of(stored_.dtype));
  const auto* from = static_cast<const std::byte*>(stored_.data);
  auto* to = static_cast<std::byte*>(same.data_ptr());
  const size_t element = size_of(stored_.dtype);
  const size_t row = static_cast<size_t>(stored_.cols) * element;
  if (stored_.row_stride == stored_.cols) {
    std::memcpy(to, from, row * static_cast<size_t>(stored_.rows));
  } else {
    for (size_t r = 0; r < static_cast<size_t>(stored_.rows); ++r) {
      std::memcpy(to + r * row, from + r * static_cast<size_t>(stored_.row_stride) * element, row);
    }
  }
  return same.to(torch::kFloat);
}

}  // namespace isthmus::nn
