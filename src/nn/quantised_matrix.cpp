#include "nn/quantised_matrix.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "base/check.h"
#include "base/quantised_blocks.h"
#include "kernels/table.h"
#include "nn/matmul.h"
#include "nn/ops.h"
#include "nn/parallel.h"
#include "nn/work.h"

namespace isthmus::nn {
namespace {

using kernels::kBlockDepth;
using kernels::kGroupRows;
using kernels::QuantisedColumns;

constexpr std::align_val_t kBlockAlignment{64};
// Weight rows that are floats at a time where x is not rounded: 16 MB at 4096 columns.
constexpr int64_t kDenseRows = 1024;

int64_t groups_of(int64_t rows) { return (rows + kGroupRows - 1) / kGroupRows; }
int64_t depth_blocks_of(int64_t cols) { return (cols + kBlockDepth - 1) / kBlockDepth; }

static_assert(kQuantisedBlockRows == kGroupRows && kQuantisedBlockCols == kBlockDepth);

const kernels::QuantisedKind& functions_of(DType kind) {
  const auto& table = kernels::quantised_kernels();
  switch (kind) {
    case DType::kQ4: return table.q4;
    case DType::kQ5: return table.q5;
    case DType::kQ6: return table.q6;
    case DType::kQ8: return table.q8;
    default: break;
  }
  ISTHMUS_CHECK(false, "q4, q5, q6 or q8");
  return table.q8;
}

size_t block_bytes(DType kind) {
  const size_t size = functions_of(kind).block_bytes;
  ISTHMUS_CHECK(size == quantised_block_bytes(kind), "one size of a block");
  return size;
}

void put_row(DType kind, std::byte* block, int64_t row, const kernels::PublishedRow& from) {
  switch (kind) {
    case DType::kQ4: return kernels::put_row(*reinterpret_cast<kernels::Q4Block*>(block), row, from);
    case DType::kQ5: return kernels::put_row(*reinterpret_cast<kernels::Q5Block*>(block), row, from);
    case DType::kQ6: return kernels::put_row(*reinterpret_cast<kernels::Q6Block*>(block), row, from);
    default: return kernels::put_row(*reinterpret_cast<kernels::Q8Block*>(block), row, from);
  }
}

// Rows of x for one call of the kernel, so that none is left with a few: 577 are seven times 84 or
// less instead of six times 96 and one. Whole tiles.
int64_t even_share(int64_t m, const kernels::QuantisedTable& table) {
  const int64_t calls = (m + table.most_rows - 1) / table.most_rows;
  return ((m + calls - 1) / calls + table.tile_rows - 1) / table.tile_rows * table.tile_rows;
}

std::vector<int64_t> with_last_size(const Tensor& x, int64_t last) {
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = last;
  return sizes;
}

}  // namespace

QuantisedMatrix::QuantisedMatrix(DType kind, int64_t rows, int64_t cols, const void* blocks,
                                 std::shared_ptr<const void> owner)
    : kind_(kind),
      rows_(rows),
      cols_(cols),
      blocks_(static_cast<const std::byte*>(blocks)),
      owner_(std::move(owner)) {
  ISTHMUS_CHECK(is_quantised(kind) && rows > 0 && cols > 0, "a matrix needs rows and columns");
  ISTHMUS_CHECK(reinterpret_cast<uintptr_t>(blocks) % 64 == 0, "blocks are aligned");
}

size_t QuantisedMatrix::bytes_of(DType kind, int64_t rows, int64_t cols) {
  return static_cast<size_t>(groups_of(rows) * depth_blocks_of(cols)) * block_bytes(kind);
}

std::shared_ptr<std::byte> QuantisedMatrix::allocate(DType kind, int64_t rows, int64_t cols) {
  auto* bytes = static_cast<std::byte*>(::operator new(bytes_of(kind, rows, cols), kBlockAlignment));
  return {bytes, [](std::byte* p) { ::operator delete(p, kBlockAlignment); }};
}

std::shared_ptr<const QuantisedMatrix> QuantisedMatrix::quantise(DType kind, int64_t rows,
                                                                 int64_t cols,
                                                                 const RowReader& rows_of) {
  const auto blocks = allocate(kind, rows, cols);
  const auto quantise_block = functions_of(kind).quantise;
  const int64_t depth_blocks = depth_blocks_of(cols);
  parallel_tasks(groups_of(rows), [&](int64_t group) {
    const int64_t first = group * kGroupRows, count = std::min(kGroupRows, rows - first);
    std::vector<float> values(static_cast<size_t>(count * cols));
    rows_of(first, count, values.data());
    for (int64_t b = 0; b < depth_blocks; ++b) {
      std::byte* to =
          blocks.get() + static_cast<size_t>(group * depth_blocks + b) * block_bytes(kind);
      quantise_block(
          {values.data() + b * kBlockDepth, cols, count, cols - b * kBlockDepth, to});
    }
  });
  const void* start = blocks.get();
  return std::make_shared<const QuantisedMatrix>(kind, rows, cols, start, blocks);
}

std::shared_ptr<const QuantisedMatrix> QuantisedMatrix::quantise(DType kind,
                                                                 const WeightMatrix& matrix) {
  return quantise(kind, matrix.rows(), matrix.cols(),
                  [&](int64_t first, int64_t count, float* out) {
                    const Tensor rows = matrix.gather_rows(torch::arange(first, first + count));
                    std::memcpy(out, rows.data_ptr<float>(), rows.nbytes());
                  });
}

std::shared_ptr<const QuantisedMatrix> QuantisedMatrix::repack(DType kind, int64_t rows,
                                                               int64_t cols,
                                                               const PublishedReader& row_of) {
  const auto blocks = allocate(kind, rows, cols);
  const int64_t depth_blocks = depth_blocks_of(cols);
  parallel_tasks(groups_of(rows), [&](int64_t group) {
    for (int64_t b = 0; b < depth_blocks; ++b) {
      std::byte* to =
          blocks.get() + static_cast<size_t>(group * depth_blocks + b) * block_bytes(kind);
      std::memset(to, 0, block_bytes(kind));  // rows that are missing are zeros
      for (int64_t r = 0; r < std::min(kGroupRows, rows - group * kGroupRows); ++r) {
        kernels::PublishedRow row{};
        row_of(group * kGroupRows + r, b, row);
        put_row(kind, to, r, row);
      }
    }
  });
  const void* start = blocks.get();
  return std::make_shared<const QuantisedMatrix>(kind, rows, cols, start, blocks);
}

Tensor QuantisedMatrix::apply(const Tensor& x, const Tensor& bias) const {
  ISTHMUS_CHECK(x.size(-1) == cols_, "row length differs from the matrix's columns");
  count_product(*this, x.numel() / cols_);
  if (!ops::fused_enabled() || x.scalar_type() != torch::kFloat) {
    const Tensor wide = to_dense().to(x.scalar_type());
    return torch::linear(x, wide, bias.defined() ? bias.to(x.scalar_type()) : bias);
  }
  const Tensor rows = x.contiguous();
  Tensor y = torch::empty(with_last_size(x, rows_), x.options());
  if (x.numel() == 0) return y;
  const auto& table = kernels::quantised_kernels();
  const int64_t m = rows.numel() / cols_, depth_blocks = depth_blocks_of(cols_);
  const auto floats = static_cast<int64_t>(sizeof(QuantisedColumns) / sizeof(float));
  auto* columns = reinterpret_cast<QuantisedColumns*>(
      scratch(ScratchUse::kPackedRows, m * depth_blocks * floats));
  constexpr int64_t kRowsPerTask = 16;
  parallel_tasks((m + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    const int64_t first = task * kRowsPerTask, count = std::min(kRowsPerTask, m - first);
    table.quantise_rows(
        {rows.data_ptr<float>() + first * cols_, cols_, count, cols_, columns + first, m});
  });

  const auto multiply = functions_of(kind_).multiply;
  const Tensor offset = bias.defined() ? bias.contiguous() : bias;
  const int64_t groups = groups_of(rows_), rows_at_once = even_share(m, table);
  const int64_t per_task = std::clamp<int64_t>(groups / (8 * at::get_num_threads()) / 2 * 2, 2,
                                               m == 1 ? 64 : table.most_groups);
  parallel_tasks((groups + per_task - 1) / per_task, [&](int64_t task) {
    const int64_t group = task * per_task, count = std::min(per_task, groups - group);
    const int64_t first = group * kGroupRows;
    const std::byte* blocks =
        blocks_ + static_cast<size_t>(group * depth_blocks) * block_bytes(kind_);
    for (int64_t j = 0; j < m; j += rows_at_once)
      multiply({blocks, count, std::min(count * kGroupRows, rows_ - first), depth_blocks,
                columns + j, m, std::min(rows_at_once, m - j),
                offset.defined() ? offset.data_ptr<float>() + first : nullptr,
                y.data_ptr<float>() + j * rows_ + first, rows_});
  });
  return y;
}

Tensor QuantisedMatrix::dense_rows(int64_t first, int64_t count) const {
  const auto dequantise = functions_of(kind_).dequantise;
  const int64_t depth_blocks = depth_blocks_of(cols_), stride = depth_blocks * kBlockDepth;
  const int64_t groups = groups_of(count);
  Tensor values = torch::empty({groups * kGroupRows, stride}, torch::kFloat);
  float* out = values.data_ptr<float>();
  parallel_tasks(groups, [&](int64_t g) {
    for (int64_t b = 0; b < depth_blocks; ++b)
      dequantise({blocks_ + static_cast<size_t>((first / kGroupRows + g) * depth_blocks + b) *
                                block_bytes(kind_),
                  out + g * kGroupRows * stride + b * kBlockDepth, stride});
  });
  return values.narrow(0, 0, count).narrow(1, 0, cols_);
}

Tensor QuantisedMatrix::to_dense() const { return dense_rows(0, rows_).contiguous(); }

Tensor QuantisedMatrix::apply_exactly(const Tensor& x) const {
  const Tensor flat = x.reshape({-1, cols_}).to(torch::kFloat).contiguous();
  Tensor y = torch::empty({flat.size(0), rows_}, torch::kFloat);
  for (int64_t first = 0; first < rows_; first += kDenseRows) {
    const int64_t count = std::min(kDenseRows, rows_ - first);
    const Tensor w = dense_rows(first, count);
    Tensor part = torch::empty({flat.size(0), count}, torch::kFloat);
    matmul_transposed(flat.data_ptr<float>(), flat.size(0),
                      {DType::kF32, w.data_ptr<float>(), count, cols_, w.stride(0)}, nullptr,
                      part.data_ptr<float>(), Arithmetic::kFloat32);
    y.narrow(1, first, count).copy_(part);
  }
  return y.view(with_last_size(x, rows_)).to(x.scalar_type());
}

Tensor QuantisedMatrix::apply_transposed(const Tensor& dy) const {
  ISTHMUS_CHECK(dy.size(-1) == rows_, "row length differs from the matrix's rows");
  const Tensor flat = dy.reshape({-1, rows_}).to(torch::kFloat);
  Tensor dx = torch::zeros({flat.size(0), cols_}, torch::kFloat);
  Tensor part = torch::empty_like(dx);
  for (int64_t first = 0; first < rows_; first += kDenseRows) {
    const int64_t count = std::min(kDenseRows, rows_ - first);
    const Tensor w = dense_rows(first, count), dy_rows = flat.narrow(1, first, count).contiguous();
    matmul(dy_rows.data_ptr<float>(), flat.size(0),
           {DType::kF32, w.data_ptr<float>(), count, cols_, w.stride(0)}, part.data_ptr<float>());
    dx += part;
  }
  return dx.view(with_last_size(dy, cols_)).to(dy.scalar_type());
}

Tensor QuantisedMatrix::gather_rows(const Tensor& ids) const {
  const Tensor flat = ids.to(torch::kLong).contiguous();
  std::vector<int64_t> sizes = ids.sizes().vec();
  sizes.push_back(cols_);
  Tensor out = torch::empty(sizes, torch::kFloat);
  const int64_t* wanted = flat.data_ptr<int64_t>();
  for (int64_t i = 0; i < flat.numel(); ++i)
    ISTHMUS_CHECK(wanted[i] >= 0 && wanted[i] < rows_,
                  "row " + std::to_string(wanted[i]) + " of " + std::to_string(rows_));
  const auto dequantise = functions_of(kind_).dequantise;
  const int64_t depth_blocks = depth_blocks_of(cols_);
  float* rows = out.data_ptr<float>();
  parallel_tasks(flat.numel(), [&](int64_t i) {
    const int64_t group = wanted[i] / kGroupRows, row = wanted[i] % kGroupRows;
    alignas(64) float block[kGroupRows * kBlockDepth];  // of which one row is wanted
    for (int64_t b = 0; b < depth_blocks; ++b) {
      dequantise({blocks_ + static_cast<size_t>(group * depth_blocks + b) * block_bytes(kind_), block,
                  kBlockDepth});
      std::memcpy(rows + i * cols_ + b * kBlockDepth, block + row * kBlockDepth,
                  static_cast<size_t>(std::min(kBlockDepth, cols_ - b * kBlockDepth)) * sizeof(float));
    }
  });
  return out;
}

}  // namespace isthmus::nn
