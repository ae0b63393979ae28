// Attention of many queries, block by block: scores of a block with all keys it sees, softmax, product
// with the values. Keys and values are packed once per key/value head, invisible keys are skipped.
#include <algorithm>
#include <vector>

#include "kernels/table.h"
#include "nn/attention_problem.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

using kernels::GemmTable;
using kernels::KernelTable;
using Problem = AttentionProblem;

constexpr int64_t kPrefillDepthWords = 384;           // a panel of weights stays in the first-level cache
constexpr int64_t kScoresLimit = 1024 * 1024;  // floats per thread, unless one panel needs more

// Keys [range.begin, range.end) of one head, packed.
struct PackedKeys {
  KeyRange range;
  const float* keys;    // panels of tile_cols keys, depth head_dim
  const float* values;  // panels of tile_cols value elements, depth range
};

void attend_block(const Problem& p, const PackedKeys& packed, int64_t b, int64_t head,
                  int64_t first, int64_t rows) {
  const KernelTable& table = kernels::kernels();
  const GemmTable& gemm = table.gemm;
  const KeyRange seen = p.seen_by(b, first, first + rows);
  const int64_t out_stride = p.heads * p.head_dim;
  float* out = p.out_at(b, first, head);
  if (seen.begin == seen.end) {
    for (int64_t r = 0; r < rows; ++r)
      std::fill(out + r * out_stride, out + r * out_stride + p.head_dim, 0.0f);
    return;
  }
  // Whole panels of keys: the first key of the block's scores.
  const int64_t skipped = (seen.begin - packed.range.begin) / gemm.tile_cols * gemm.tile_cols;
  const int64_t origin = packed.range.begin + skipped, count = seen.end - origin;

  float* packed_rows = scratch(ScratchUse::kPackedRows, rows * std::max(p.head_dim, kPrefillDepthWords));
  float* scores = scratch(ScratchUse::kScores, rows * count);
  gemm.pack_rows({p.query + b * p.q_batch + first * p.q_row + head * p.q_head, p.q_row, rows,
                  p.head_dim, packed_rows});
  gemm.block({packed_rows, packed.keys + skipped * p.head_dim, gemm.tile_cols * p.head_dim, rows,
              count, p.head_dim, scores, count, false, nullptr});
  for (int64_t r = 0; r < rows; ++r) {
    const KeyRange range = p.visible(b, first + r);
    table.softmax_row({scores + r * count, count, range.begin - origin, range.end - origin, p.scale,
                       p.slope(head), p.position(first + r) - origin});
  }
  const int64_t packed_count = packed.range.end - packed.range.begin;
  for (int64_t k = 0; k < count; k += kPrefillDepthWords) {
    const int64_t depth = std::min(kPrefillDepthWords, count - k);
    gemm.pack_rows({scores + k, count, rows, depth, packed_rows});
    gemm.block({packed_rows, packed.values + (skipped + k) * gemm.tile_cols,
                gemm.tile_cols * packed_count, rows, p.head_dim, depth, out, out_stride, k > 0,
                nullptr});
  }
}

// Consecutive rows of one key/value head.
struct HeadRows {
  const std::byte *key, *value;
  const float *key_scales, *value_scales;
  int64_t k_row, v_row, count;
};

// Rows `first`, first + 1, … of `depth` rows that are packed together. Packing widens float16; 8-bit
// rows become floats first.
void pack_rows_of_head(const Problem& p, const HeadRows& from, int64_t first, int64_t depth,
                       float* keys, float* values) {
  const KernelTable& table = kernels::kernels();
  const GemmTable& gemm = table.gemm;
  const bool half = p.storage == KvStorage::kF16, scaled = p.storage == KvStorage::kQ8;
  float* wide = scaled ? scratch(ScratchUse::kScores, from.count * p.head_dim)
                       : nullptr;  // free until scores are made
  const auto widened = [&](const std::byte* rows, int64_t stride, const float* scales) {
    if (!scaled) return static_cast<const void*>(rows);
    table.widen_rows_i8({rows, stride, from.count, p.head_dim, scales, wide});
    return static_cast<const void*>(wide);
  };
  const void* key = widened(from.key, from.k_row, from.key_scales);
  (half ? gemm.pack_columns_f16 : gemm.pack_columns_f32)(
      {key, scaled ? p.head_dim : from.k_row, from.count, p.head_dim, keys + first * p.head_dim});
  const void* value = widened(from.value, from.v_row, from.value_scales);
  const int64_t v_row = scaled ? p.head_dim : from.v_row;
  const auto pack_values = half ? gemm.pack_by_depth_f16 : gemm.pack_by_depth_f32;
  if (from.count == depth) {
    pack_values({value, v_row, p.head_dim, depth, values});
    return;
  }
  const int64_t bytes = scaled ? 4 : p.element_bytes;
  for (int64_t n = 0; n < p.head_dim; n += gemm.tile_cols)
    pack_values({static_cast<const std::byte*>(value) + n * bytes, v_row,
                 std::min(gemm.tile_cols, p.head_dim - n), from.count,
                 values + n * depth + first * gemm.tile_cols});
}

void pack(const Problem& p, int64_t b, int64_t h, KeyRange range, float* keys, float* values) {
  const int64_t count = range.end - range.begin;
  if (p.pages == nullptr) {
    pack_rows_of_head(p,
                      {p.key_at(b, h, range.begin), p.value_at(b, h, range.begin),
                       p.scales_at(p.key_scales, b, h, range.begin),
                       p.scales_at(p.value_scales, b, h, range.begin), p.k_row, p.v_row, count},
                      0, count, keys, values);
    return;
  }
  for (int64_t at = range.begin; at < range.end; at += PagePool::kPositions) {
    const PageRows key = p.pages->keys(at, h), value = p.pages->values(at, h);
    pack_rows_of_head(p,
                      {key.rows, value.rows, key.scales, value.scales, p.head_dim, p.head_dim,
                       std::min(PagePool::kPositions, range.end - at)},
                      at - range.begin, count, keys, values);
  }
}

}  // namespace

void attention_prefill(const AttentionProblem& p) {
  const GemmTable& gemm = kernels::kernels().gemm;
  const int64_t fitting = kScoresLimit / p.key_length / gemm.tile_rows * gemm.tile_rows;
  const int64_t block_rows = std::clamp(fitting, gemm.tile_rows, 8 * gemm.tile_rows);
  const int64_t blocks = (p.query_length + block_rows - 1) / block_rows;
  // One task per key/value head; fewer heads than threads can share: the queries are split, each
  // part packs anew.
  const int64_t kv_heads = p.batch * p.kv_heads;
  const int64_t parts =
      std::clamp<int64_t>((2 * at::get_num_threads() + kv_heads - 1) / kv_heads, 1, blocks);
  parallel_tasks(kv_heads * parts, [&](int64_t task) {
    const int64_t part = task % parts, h = task / parts % p.kv_heads, b = task / parts / p.kv_heads;
    const int64_t first_block = blocks * part / parts, last_block = blocks * (part + 1) / parts;
    KeyRange range =
        p.seen_by(b, first_block * block_rows, std::min(last_block * block_rows, p.query_length));
    if (p.pages != nullptr) range.begin -= range.begin % PagePool::kPositions;  // whole pages
    const int64_t count = range.end - range.begin;
    const auto panels = [&](int64_t n) {
      return (n + gemm.tile_cols - 1) / gemm.tile_cols * gemm.tile_cols;
    };
    float* keys = scratch(ScratchUse::kPackedKeys, panels(count) * p.head_dim);
    float* values = scratch(ScratchUse::kPackedValues, count * panels(p.head_dim));
    pack(p, b, h, range, keys, values);
    for (int64_t block = first_block; block < last_block; ++block) {
      const int64_t first = block * block_rows, rows = std::min(block_rows, p.query_length - first);
      for (int64_t g = 0; g < p.group; ++g)
        attend_block(p, {range, keys, values}, b, h * p.group + g, first, rows);
    }
  });
}

}  // namespace isthmus::nn
