// Gradients of attention, block by block of queries as its forward pass: the weights of a block are
// computed again from queries and keys, so that nothing of Tq · Tk numbers outlives a block.
//                                                        Dao et al. 2022 (FlashAttention), alg. 4
//
//   P = softmax(scale · Q Kᵀ)      dP = dO Vᵀ      dS = scale · P ⊙ (dP - rowsum(P ⊙ dP))
//   dV += Pᵀ dO                    dQ = dS K       dK += dSᵀ Q
#include <algorithm>

#include "kernels/table.h"
#include "nn/attention_problem.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

using kernels::GemmTable;
using kernels::KernelTable;

constexpr int64_t kGradientDepthWords = 384;  // a panel of weights stays in the first-level cache
// Queries of a block, in register tiles. More would compute more scores that are not visible.
constexpr int64_t kTilesPerBlock = 4;

struct Gradients {
  const float* out;  // [batch, Tq, heads, head_dim], dense
  float* query;      // the same
  float* key;        // [batch, Tk, kv_heads, head_dim], dense, zeros at first
  float* value;      // the same
};

// Keys [range.begin, range.end) of one key/value head, packed.
struct PackedForGradient {
  KeyRange range;
  const float* keys;           // panels of tile_cols keys, depth head_dim
  const float* values;         // the same
  const float* keys_by_depth;  // panels of tile_cols key elements, depth range
};

// What one block of queries of one head adds.
void go_back(const AttentionProblem& p, const Gradients& d, const PackedForGradient& packed, int64_t b,
             int64_t head, int64_t first, int64_t rows) {
  const KernelTable& table = kernels::kernels();
  const GemmTable& gemm = table.gemm;
  const int64_t dim = p.head_dim, row_stride = p.heads * dim, key_stride = p.kv_heads * dim;
  const int64_t at = ((b * p.query_length + first) * p.heads + head) * dim;
  const float* query = p.query + b * p.q_batch + first * p.q_row + head * p.q_head;
  const float* dout = d.out + at;
  float* dquery = d.query + at;
  const KeyRange seen = p.seen_by(b, first, first + rows);
  if (seen.begin == seen.end) {
    for (int64_t r = 0; r < rows; ++r)
      std::fill(dquery + r * row_stride, dquery + r * row_stride + dim, 0.0f);
    return;
  }
  // Whole panels of keys: the first key of the block's scores.
  const int64_t skipped = (seen.begin - packed.range.begin) / gemm.tile_cols * gemm.tile_cols;
  const int64_t origin = packed.range.begin + skipped, count = seen.end - origin;
  const int64_t panels = (dim + gemm.tile_cols - 1) / gemm.tile_cols * gemm.tile_cols;

  float* a = scratch(ScratchUse::kPackedRows, rows * std::max({dim, kGradientDepthWords, count}));
  float* columns = scratch(ScratchUse::kPackedColumns, rows * panels);
  float* weights = scratch(ScratchUse::kScores, rows * count);
  float* scores =
      scratch(ScratchUse::kGradients, rows * count);  // gradients of weights, then scores
  gemm.pack_rows({query, p.q_row, rows, dim, a});
  gemm.block({a, packed.keys + skipped * dim, gemm.tile_cols * dim, rows, count, dim, weights,
              count, false, nullptr});
  gemm.pack_rows({dout, row_stride, rows, dim, a});
  gemm.block({a, packed.values + skipped * dim, gemm.tile_cols * dim, rows, count, dim, scores,
              count, false, nullptr});
  for (int64_t r = 0; r < rows; ++r) {
    const KeyRange range = p.visible(b, first + r);
    const int64_t begin = range.begin - origin, end = range.end - origin;
    table.softmax_row({weights + r * count, count, begin, end, p.scale, p.slope(head),
                       p.position(first + r) - origin});
    table.softmax_gradient({weights + r * count, scores + r * count, count, begin, end, p.scale});
  }

  const int64_t kv = (b * p.key_length + origin) * key_stride + head / p.group * dim;
  gemm.pack_rows_by_depth({weights, count, count, rows, a});
  gemm.pack_by_depth_f32({dout, row_stride, dim, rows, columns});
  gemm.block({a, columns, gemm.tile_cols * rows, count, dim, rows, d.value + kv, key_stride, true,
              nullptr});
  gemm.pack_rows_by_depth({scores, count, count, rows, a});
  gemm.pack_by_depth_f32({query, p.q_row, dim, rows, columns});
  gemm.block(
      {a, columns, gemm.tile_cols * rows, count, dim, rows, d.key + kv, key_stride, true, nullptr});
  const int64_t packed_count = packed.range.end - packed.range.begin;
  for (int64_t k = 0; k < count; k += kGradientDepthWords) {
    const int64_t depth = std::min(kGradientDepthWords, count - k);
    gemm.pack_rows({scores + k, count, rows, depth, a});
    gemm.block({a, packed.keys_by_depth + (skipped + k) * gemm.tile_cols,
                gemm.tile_cols * packed_count, rows, dim, depth, dquery, row_stride, k > 0,
                nullptr});
  }
}

// One task per key/value head, whose gradients its query heads add up in order.
void go_back(const AttentionProblem& p, const Gradients& d) {
  const GemmTable& gemm = kernels::kernels().gemm;
  const int64_t block_rows = kTilesPerBlock * gemm.tile_rows;
  const auto panels = [&](int64_t n) {
    return (n + gemm.tile_cols - 1) / gemm.tile_cols * gemm.tile_cols;
  };
  parallel_tasks(p.batch * p.kv_heads, [&](int64_t task) {
    const int64_t h = task % p.kv_heads, b = task / p.kv_heads;
    const KeyRange range = p.seen_by(b, 0, p.query_length);
    const int64_t count = range.end - range.begin;
    const std::byte *key = p.key_at(b, h, range.begin), *value = p.value_at(b, h, range.begin);
    float* keys = scratch(ScratchUse::kPackedKeys, panels(count) * p.head_dim);
    float* values = scratch(ScratchUse::kPackedValues, panels(count) * p.head_dim);
    float* by_depth = scratch(ScratchUse::kKeysByDepth, count * panels(p.head_dim));
    gemm.pack_columns_f32({key, p.k_row, count, p.head_dim, keys});
    gemm.pack_columns_f32({value, p.v_row, count, p.head_dim, values});
    gemm.pack_by_depth_f32({key, p.k_row, p.head_dim, count, by_depth});
    for (int64_t head = h * p.group; head < (h + 1) * p.group; ++head)
      for (int64_t first = 0; first < p.query_length; first += block_rows)
        go_back(p, d, {range, keys, values, by_depth}, b, head, first,
                std::min(block_rows, p.query_length - first));
  });
}

}  // namespace

AttentionGradient attention_gradient(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const Tensor& dout, double scale, const AttentionMask& mask) {
  const Tensor dense = dout.contiguous();
  const auto by_row = [&] {
    return torch::zeros({key.size(0), key.size(2), key.size(1), key.size(3)}, key.options());
  };
  AttentionGradient d{
      torch::empty(query.sizes(), query.options().memory_format(torch::MemoryFormat::Contiguous)),
      by_row(), by_row()};
  if (query.numel() > 0 && key.numel() > 0) {
    go_back(problem_of(query, {key, {}}, {value, {}}, nullptr, scale, mask),
            {dense.data_ptr<float>(), d.query.data_ptr<float>(), d.key.data_ptr<float>(),
             d.value.data_ptr<float>()});
  } else {
    d.query.zero_();
  }
  return {d.query, d.key.transpose(1, 2), d.value.transpose(1, 2)};
}

}  // namespace isthmus::nn
