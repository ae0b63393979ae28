// A few rows are multiplied by matrix-vector kernels, which read every weight once. More rows go
// through packed blocks: x is packed once, and each task packs (and widens) a block of weights that
// stays in the second-level cache, so that no second copy of the weights ever exists. 640 rows use
// a packed weight 640 times; packing costs under 1 %.
#include "nn/matmul.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "kernels/table.h"
#include "nn/parallel.h"
#include "nn/streamed_product.h"

namespace isthmus::nn {
namespace {

using kernels::GemmTable;
using kernels::KernelTable;
using kernels::PackedGemm;

// Measured best of 256 to 2048 by 128 to 512: fewer passes over y and longer runs of stored rows
// win over caches that hold everything. A block of packed weights is 1 MB.
constexpr int64_t kDepthBlock = 1024;
constexpr int64_t kBlockCols = 256;
constexpr int64_t kPackedRowsLimit = 12 * 1024 * 1024;  // floats: 48 MB of packed x at most
// Beside tiles, which take 16-bit weights in fewer parts, few rows are soon enough to pack W for.
constexpr int64_t kStreamedBesideTiles = 64;
constexpr int64_t kSerialWork =
    64 * 1024;  // multiplications below which waking threads does not pay

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// y[m, cols] = x[m, depth] · B + bias, B packed block by block from the stored matrix.
struct PackedProduct {
  PackedGemm gemm;
  const float* x;
  int64_t m, depth, cols;
  const char* stored;                 // element (column 0, depth 0)
  int64_t column_bytes, depth_bytes;  // steps in the stored matrix
  int64_t row_stride;                 // as PackColumnsArgs wants it
  const float* bias;
  float* y;

  int64_t steps(int64_t elements) const { return (elements + gemm.step - 1) / gemm.step; }
  bool run() const;
  bool run_rows(int64_t first_row, int64_t rows) const;
};

// False: there is infinity or NaN that this product gets wrong.
bool PackedProduct::run() const {
  const int64_t fitting = kPackedRowsLimit / (steps(depth) * gemm.row_words) / gemm.tile_rows * gemm.tile_rows;
  const int64_t rows_per_pass = std::max(fitting, 4 * gemm.tile_rows);
  for (int64_t first = 0; first < m; first += rows_per_pass)
    if (!run_rows(first, std::min(rows_per_pass, m - first))) return false;
  return true;
}

bool PackedProduct::run_rows(int64_t first_row, int64_t rows) const {
  const int64_t whole_rows = round_up(rows, gemm.tile_rows);
  // Of all rows, the steps before element k.
  const auto packed_before = [&](int64_t k) { return steps(k) * gemm.row_words * whole_rows; };
  float* packed_rows = scratch(ScratchUse::kPackedRows, packed_before(depth));
  const bool serial = m * cols * depth < kSerialWork;
  const auto for_each_task = [&](int64_t count, const auto& task) {
    if (serial) {
      for (int64_t i = 0; i < count; ++i) task(i);
    } else {
      parallel_tasks(count, task);
    }
  };

  std::atomic<bool> right{true};
  const int64_t panels_per_task = 4, rows_per_task = panels_per_task * gemm.tile_rows;
  for_each_task((rows + rows_per_task - 1) / rows_per_task, [&](int64_t task) {
    bool not_finite = false;
    const int64_t r = task * rows_per_task, count = std::min(rows_per_task, rows - r);
    for (int64_t k = 0; k < depth; k += gemm.depth_block) {
      const int64_t elements = std::min(gemm.depth_block, depth - k);
      gemm.pack_rows({x + (first_row + r) * depth + k, depth, count, elements,
                      packed_rows + packed_before(k) + r * steps(elements) * gemm.row_words, &not_finite});
    }
    if (not_finite) right = false;
  });
  if (!right) return false;

  // At least two tasks per thread where the matrix is wide enough.
  const int64_t share = (cols + 2 * at::get_num_threads() - 1) / (2 * at::get_num_threads());
  const int64_t block_cols = std::clamp(round_up(share, gemm.tile_cols), gemm.tile_cols, kBlockCols);
  for_each_task((cols + block_cols - 1) / block_cols, [&](int64_t task) {
    const int64_t n = task * block_cols, count = std::min(block_cols, cols - n);
    float* packed = scratch(ScratchUse::kPackedColumns,
                            block_cols * steps(std::min(gemm.depth_block, depth)) * gemm.column_words);
    bool not_finite = false;
    float* sums = gemm.in_sums ? scratch(ScratchUse::kSums, block_cols * whole_rows) : nullptr;
    for (int64_t k = 0; k < depth; k += gemm.depth_block) {
      const int64_t elements = std::min(gemm.depth_block, depth - k);
      gemm.pack_columns(
          {stored + n * column_bytes + k * depth_bytes, row_stride, count, elements, packed, &not_finite});
      const bool last = k + elements == depth;
      gemm.block({packed_rows + packed_before(k), packed, gemm.tile_cols * steps(elements) * gemm.column_words,
                  rows, count, steps(elements), y + first_row * cols + n, cols, k > 0,
                  last && bias != nullptr ? bias + n : nullptr, sums, last});
    }
    if (not_finite) right = false;
  });
  return right;
}

PackedProduct product(const float* x, int64_t m, const StoredMatrix& w, const float* bias,
                      float* y) {
  PackedProduct p{};
  p.x = x;
  p.m = m;
  p.stored = static_cast<const char*>(w.data);
  p.row_stride = w.row_stride;
  p.bias = bias;
  p.y = y;
  return p;
}

auto pick(DType dtype, auto f32, auto f16, auto bf16) {
  ISTHMUS_CHECK(dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16,
                "matmul: weights are float32, float16 or bfloat16");
  return dtype == DType::kF32 ? f32 : dtype == DType::kF16 ? f16 : bf16;
}

PackedGemm on_registers(void (*pack_columns)(const kernels::PackColumnsArgs&)) {
  const GemmTable& table = kernels::kernels().gemm;
  return {table.tile_rows, table.tile_cols, 1, 1, 1, kDepthBlock, false, table.pack_rows, pack_columns, table.block};
}

// In float32: on tiles where there are such and all is finite.
void run_float32(PackedProduct p, DType dtype, bool by_depth) {
  if (const auto* tiles = kernels::tile_gemm()) {
    p.gemm = by_depth ? pick(dtype, tiles->by_depth_f32, tiles->by_depth_f16, tiles->by_depth_bf16)
                      : pick(dtype, tiles->f32, tiles->f16, tiles->bf16);
    if (p.run()) return;
  }
  const GemmTable& table = kernels::kernels().gemm;
  p.gemm = on_registers(by_depth ? pick(dtype, table.pack_by_depth_f32, table.pack_by_depth_f16, table.pack_by_depth_bf16)
                                 : pick(dtype, table.pack_columns_f32, table.pack_columns_f16, table.pack_columns_bf16));
  p.run();
}

void few_rows(const float* x, int64_t m, const StoredMatrix& w, const float* bias, float* y) {
  const KernelTable& table = kernels::kernels();
  const auto matvec = pick(w.dtype, table.matvec_f32, table.matvec_f16, table.matvec_bf16);
  const auto element_bytes = static_cast<int64_t>(size_of(w.dtype));
  const int64_t tasks =
      m * w.rows * w.cols < kSerialWork ? 1 : std::min<int64_t>(8 * at::get_num_threads(), w.rows);
  const int64_t rows_per_task = round_up((w.rows + tasks - 1) / tasks, 4);
  parallel_tasks((w.rows + rows_per_task - 1) / rows_per_task, [&](int64_t task) {
    const int64_t first = task * rows_per_task, count = std::min(rows_per_task, w.rows - first);
    matvec({x, m, w.cols, static_cast<const char*>(w.data) + first * w.row_stride * element_bytes,
            count, w.cols, w.row_stride, bias != nullptr ? bias + first : nullptr, y + first,
            w.rows});
  });
}

}  // namespace

void matmul_transposed(const float* x, int64_t m, const StoredMatrix& w, const float* bias,
                       float* y, Arithmetic arithmetic) {
  if (m == 0 || w.rows == 0) return;
  if (w.cols == 0) {
    for (int64_t r = 0; r < m; ++r)
      for (int64_t i = 0; i < w.rows; ++i) y[r * w.rows + i] = bias != nullptr ? bias[i] : 0.0f;
    return;
  }
  const PackedGemm* bf16 = kernels::bf16_gemm();
  const bool in_bfloat16 =
      arithmetic == Arithmetic::kBFloat16 && w.dtype == DType::kBF16 && bf16 != nullptr;
  // Reading the weights bounds this product, so bfloat16 arithmetic would only lose precision.
  if (m <= kernels::kMatvecMaxRows) return few_rows(x, m, w, bias, y);
  const bool few_parts = kernels::tile_gemm() != nullptr && w.dtype != DType::kF32;
  if (m <= (few_parts ? kStreamedBesideTiles : kStreamedMostRows) && !in_bfloat16)
    return streamed_product(x, m, w, bias, y);
  PackedProduct p = product(x, m, w, bias, y);
  p.depth = w.cols;
  p.cols = w.rows;
  p.column_bytes = w.row_stride * static_cast<int64_t>(size_of(w.dtype));
  p.depth_bytes = static_cast<int64_t>(size_of(w.dtype));
  if (!in_bfloat16) return run_float32(p, w.dtype, false);
  p.gemm = *bf16;
  p.run();
}

void matmul(const float* dy, int64_t m, const StoredMatrix& w, float* dx) {
  if (m == 0 || w.cols == 0) return;
  if (w.rows == 0) {
    std::fill(dx, dx + m * w.cols, 0.0f);
    return;
  }
  PackedProduct p = product(dy, m, w, nullptr, dx);
  p.depth = w.rows;
  p.cols = w.cols;
  p.column_bytes = static_cast<int64_t>(size_of(w.dtype));
  p.depth_bytes = w.row_stride * static_cast<int64_t>(size_of(w.dtype));
  run_float32(p, w.dtype, true);
}

}  // namespace isthmus::nn
