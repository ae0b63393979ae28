#include "nn/low_rank.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "kernels/table.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

constexpr int64_t kBlockRows = 256;  // the float32 product of a block: 11 MB at 11008 columns

// float_to_half of base, without branches and in the header's reach of the loop, so that it is
// vectorised: a 7B model has 13 thousand million values to round.
inline uint16_t to_half(float value) {
  constexpr uint32_t kInfinity = 0x7f800000, kHalfOverflow = 143u << 23, kHalfNormal = 113u << 23;
  constexpr uint32_t kSubnormalMagic =
      126u << 23;  // adding 0.5 leaves the rounded subnormal in the low bits
  uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits & 0x80000000u;
  bits ^= sign;
  const uint32_t special = bits > kInfinity ? 0x7e00u : 0x7c00u;
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(bits) + std::bit_cast<float>(kSubnormalMagic)) -
      kSubnormalMagic;
  const uint32_t normal = (bits - (112u << 23) + 0xfffu + ((bits >> 13) & 1u)) >> 13;
  const uint32_t half = bits >= kHalfOverflow ? special : bits < kHalfNormal ? subnormal : normal;
  return static_cast<uint16_t>(half | (sign >> 16));
}

Tensor rounded_to_half(const Tensor& x) { return x.to(torch::kHalf).to(torch::kFloat); }

// One row: out = w + scaling · product.
class RowAdder {
 public:
  RowAdder(DType dtype, int64_t cols, float scaling)
      : dtype_(dtype),
        cols_(cols),
        scaling_(scaling),
        wide_(static_cast<size_t>(cols)),
        half_(dtype == DType::kF16 ? static_cast<size_t>(cols) : 0) {}

  void operator()(const void* w, float* product, void* out) {
    const kernels::KernelTable& table = kernels::kernels();
    for (int64_t i = 0; i < cols_; ++i) product[i] *= scaling_;
    if (dtype_ == DType::kF16) {
      for (int64_t i = 0; i < cols_; ++i) half_[static_cast<size_t>(i)] = to_half(product[i]);
      table.widen_f16({half_.data(), product, cols_});
      table.widen_f16({w, wide_.data(), cols_});
      auto* to = static_cast<uint16_t*>(out);
      for (int64_t i = 0; i < cols_; ++i)
        to[i] = to_half(wide_[static_cast<size_t>(i)] + product[i]);
    } else if (dtype_ == DType::kBF16) {
      table.widen_bf16({w, wide_.data(), cols_});
      auto* to = static_cast<uint16_t*>(out);
      for (int64_t i = 0; i < cols_; ++i)
        to[i] = float_to_bfloat16(wide_[static_cast<size_t>(i)] + product[i]);
    } else {
      std::memcpy(wide_.data(), w, static_cast<size_t>(cols_) * sizeof(float));
      auto* to = static_cast<float*>(out);
      for (int64_t i = 0; i < cols_; ++i) to[i] = wide_[static_cast<size_t>(i)] + product[i];
    }
  }

 private:
  DType dtype_;
  int64_t cols_;
  float scaling_;
  std::vector<float> wide_;
  std::vector<uint16_t> half_;
};

}  // namespace

std::shared_ptr<const DenseMatrix> add_low_rank(const DenseMatrix& w, const Tensor& a,
                                                const Tensor& b, double scaling) {
  const StoredMatrix& from = w.stored();
  ISTHMUS_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(1) == from.cols && b.size(0) == from.rows &&
                    b.size(1) == a.size(0),
                "low-rank factors of another shape");
  const bool half = from.dtype == DType::kF16;
  const Tensor inner = (half ? rounded_to_half(a) : a).contiguous();
  const Tensor outer = (half ? rounded_to_half(b) : b).contiguous();
  const auto type = half                         ? torch::kHalf
                    : from.dtype == DType::kBF16 ? torch::kBFloat16
                                                 : torch::kFloat;
  const Tensor out = torch::empty({from.rows, from.cols}, type);
  const Tensor product = torch::empty({std::min(kBlockRows, from.rows), from.cols});

  const StoredMatrix right{DType::kF32, inner.data_ptr(), inner.size(0), from.cols, from.cols};
  const auto element = static_cast<int64_t>(size_of(from.dtype));
  const auto* read = static_cast<const std::byte*>(from.data);
  auto* write = static_cast<std::byte*>(out.data_ptr());
  for (int64_t first = 0; first < from.rows; first += kBlockRows) {
    const int64_t count = std::min(kBlockRows, from.rows - first);
    matmul(outer.data_ptr<float>() + first * outer.size(1), count, right,
           product.data_ptr<float>());
    constexpr int64_t kRowsPerTask = 32;
    parallel_tasks((count + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
      RowAdder add(from.dtype, from.cols, static_cast<float>(scaling));
      for (int64_t r = task * kRowsPerTask; r < std::min(count, (task + 1) * kRowsPerTask); ++r) {
        add(read + (first + r) * from.row_stride * element,
            product.data_ptr<float>() + r * from.cols, write + (first + r) * from.cols * element);
      }
    });
  }
  return std::make_shared<DenseMatrix>(out);
}

}  // namespace isthmus::nn
