// Panels of x lie packed in the second-level cache, and every thread reads its weights once, a few
// rows at a time that it multiplies with all panels. 16-bit weights are widened on the way.
#include "nn/streamed_product.h"

#include <algorithm>
#include <vector>

#include "kernels/table.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

using kernels::kStreamRows;
using kernels::KernelTable;
using kernels::StreamTable;

constexpr int64_t kDepth = 1024;  // of a block: 512 KB of x at most, 192 KB of weights

struct Panel {
  int64_t first, rows, vectors;
};

std::vector<Panel> panels_of(int64_t m, int64_t width) {
  std::vector<Panel> panels;
  for (int64_t first = 0; first < m;) {
    const int64_t vectors = std::min((m - first + width - 1) / width, kernels::kStreamMaxVectors);
    panels.push_back({first, std::min(vectors * width, m - first), vectors});
    first += vectors * width;
  }
  return panels;
}

// Rows [first, first + count) of w, elements [k, k + depth), as float32: where they lie, or widened
// into `wide`.
struct WideRows {
  const void* data;
  int64_t row_stride;
};
WideRows wide_rows(const StoredMatrix& w, int64_t first, int64_t count, int64_t k, int64_t depth,
                   float* wide) {
  const KernelTable& table = kernels::kernels();
  const auto bytes = static_cast<int64_t>(size_of(w.dtype));
  const char* from = static_cast<const char*>(w.data) + (first * w.row_stride + k) * bytes;
  if (w.dtype == DType::kF32) return {from, w.row_stride};
  const auto widen = w.dtype == DType::kF16 ? table.widen_f16 : table.widen_bf16;
  for (int64_t r = 0; r < count; ++r)
    widen({from + r * w.row_stride * bytes, wide + r * depth, depth});
  return {wide, depth};
}

}  // namespace

void streamed_product(const float* x, int64_t m, const StoredMatrix& w, const float* bias,
                      float* y) {
  const StreamTable& stream = kernels::kernels().stream;
  const int64_t width = stream.width, padded = (m + width - 1) / width * width;
  const std::vector<Panel> panels = panels_of(m, width);
  const auto blocks = (w.cols + kDepth - 1) / kDepth;
  // Depth block k of the panel that begins at row r starts at k · padded + r · depth of the block.
  float* packed = scratch(ScratchUse::kPackedRows, padded * w.cols);
  const auto panel_count = static_cast<int64_t>(panels.size());
  parallel_tasks(panel_count * blocks, [&](int64_t task) {
    const Panel& panel = panels[static_cast<size_t>(task % panel_count)];
    const int64_t k = task / panel_count * kDepth, depth = std::min(kDepth, w.cols - k);
    stream.pack_panel({x + panel.first * w.cols + k, w.cols, panel.rows, depth, panel.vectors,
                       packed + k * padded + panel.first * depth});
  });
  // A few tasks per thread, of whole tiles.
  const int64_t tiles = (w.rows + kStreamRows - 1) / kStreamRows;
  const int64_t tiles_per_task = std::max<int64_t>(tiles / (8 * at::get_num_threads()), 1);
  parallel_tasks((tiles + tiles_per_task - 1) / tiles_per_task, [&](int64_t task) {
    const int64_t end = std::min((task + 1) * tiles_per_task * kStreamRows, w.rows);
    float* wide = scratch(ScratchUse::kPackedColumns, kStreamRows * kDepth);
    for (int64_t first = task * tiles_per_task * kStreamRows; first < end; first += kStreamRows) {
      const int64_t count = std::min(kStreamRows, end - first);
      for (int64_t k = 0; k < w.cols; k += kDepth) {
        const int64_t depth = std::min(kDepth, w.cols - k);
        const WideRows rows = wide_rows(w, first, count, k, depth, wide);
        const bool last = k + depth == w.cols;
        for (const Panel& panel : panels)
          stream.multiply({rows.data, rows.row_stride, count, depth,
                           packed + k * padded + panel.first * depth, panel.vectors, panel.rows,
                           y + panel.first * w.rows + first, w.rows, k > 0,
                           last && bias != nullptr ? bias + first : nullptr});
      }
    }
  });
}

}  // namespace isthmus::nn
