#include "nn/matmul.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <oneapi/dnnl/dnnl.h>

#include "base/check.h"

namespace isthmus::nn {
namespace {

constexpr int64_t kBlockBytes = 512 * 1024;  // widened rows stay in the second-level cache

int64_t rows_per_block(const StoredMatrix& w) {
  return std::clamp<int64_t>(kBlockBytes / 4 / std::max<int64_t>(w.cols, 1), 16, 1024);
}

// Rows [first, first + count) of w as dense float32.
void widen_rows(const StoredMatrix& w, int64_t first, int64_t count, float* out) {
  for (int64_t r = 0; r < count; ++r) {
    const int64_t offset = (first + r) * w.row_stride;
    float* y = out + r * w.cols;
    if (w.dtype == DType::kF32) {
      std::memcpy(y, static_cast<const char*>(w.data) + offset * 4,
                  static_cast<size_t>(w.cols) * 4);
      continue;
    }
    for (int64_t i = 0; i < w.cols; ++i) {
      uint16_t bits;
      std::memcpy(&bits, static_cast<const char*>(w.data) + (offset + i) * 2, 2);
      y[i] = w.dtype == DType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
    }
  }
}

void sgemm(char transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
           const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  const dnnl_status_t status =
      dnnl_sgemm('N', transpose_b, m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
  ISTHMUS_CHECK(status == dnnl_success, "dnnl_sgemm failed");
}

}  // namespace

void matmul_transposed(const float* x, int64_t m, const StoredMatrix& w, const float* bias,
                       float* y, Arithmetic) {
  if (m == 0 || w.rows == 0) return;
  const int64_t block = rows_per_block(w);
  std::vector<float> scratch(static_cast<size_t>(block * w.cols));
  for (int64_t first = 0; first < w.rows; first += block) {
    const int64_t count = std::min(block, w.rows - first);
    widen_rows(w, first, count, scratch.data());
    sgemm('T', m, count, w.cols, x, w.cols, scratch.data(), w.cols, 0.0f, y + first, w.rows);
  }
  if (bias == nullptr) return;
  for (int64_t r = 0; r < m; ++r)
    for (int64_t i = 0; i < w.rows; ++i) y[r * w.rows + i] += bias[i];
}

void matmul(const float* dy, int64_t m, const StoredMatrix& w, float* dx) {
  std::fill(dx, dx + m * w.cols, 0.0f);
  if (m == 0 || w.cols == 0) return;
  const int64_t block = rows_per_block(w);
  std::vector<float> scratch(static_cast<size_t>(block * w.cols));
  for (int64_t first = 0; first < w.rows; first += block) {
    const int64_t count = std::min(block, w.rows - first);
    widen_rows(w, first, count, scratch.data());
    sgemm('N', m, w.cols, count, dy + first, w.rows, scratch.data(), w.cols, 1.0f, dx, w.cols);
  }
}

}  // namespace isthmus::nn
