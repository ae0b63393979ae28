// Attention without gradients. A few queries (decode) read keys and values once through the decode
// kernel. Many (prefill) go block by block: scores of a block of queries with all keys they see,
// softmax, product with the values; keys and values are packed once per key/value head, and
// invisible keys are skipped.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/table.h"
#include "nn/attention_problem.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

using kernels::GemmTable;
using kernels::KernelTable;
using Problem = AttentionProblem;

constexpr int64_t kDecodeQueries = 4;   // up to here packing keys and values does not pay
constexpr int64_t kKeysPerChunk = 256;  // fewest keys of a decode task when one head is split
constexpr int64_t kDepthWords = 384;    // a panel of weights stays in the first-level cache
constexpr int64_t kScoresLimit = 1024 * 1024;  // floats per thread, unless one panel needs more

// ---- decode

// Merges the partial results of the chunks of one (batch, query, key/value head) into `out`.
// partial: per chunk group × (head_dim + 2) floats: the unnormalised values, then the maximum and
// the sum.
void merge_chunks(const Problem& p, const float* partial, int64_t chunks, float* out) {
  const int64_t width = p.head_dim + 2;
  for (int64_t g = 0; g < p.group; ++g) {
    const auto at = [&](int64_t chunk) { return partial + (chunk * p.group + g) * width; };
    float highest = -std::numeric_limits<float>::infinity();
    for (int64_t c = 0; c < chunks; ++c) highest = std::max(highest, at(c)[p.head_dim]);
    float sum = 0;
    for (int64_t c = 0; c < chunks; ++c)
      sum += at(c)[p.head_dim + 1] * std::exp(at(c)[p.head_dim] - highest);
    float* y = out + g * p.head_dim;
    std::fill(y, y + p.head_dim, 0.0f);
    for (int64_t c = 0; c < chunks; ++c) {
      const float weight = std::exp(at(c)[p.head_dim] - highest) / sum;
      for (int64_t d = 0; d < p.head_dim; ++d) y[d] += weight * at(c)[d];
    }
  }
}

void decode(const Problem& p) {
  const KernelTable& table = kernels::kernels();
  const auto attend = p.storage == KvStorage::kF32   ? table.decode_attention_f32
                      : p.storage == KvStorage::kF16 ? table.decode_attention_f16
                                                     : table.decode_attention_i8;
  const int64_t positions = p.batch * p.query_length * p.kv_heads;
  const int64_t wanted = (2 * at::get_num_threads() + positions - 1) / positions;
  const int64_t chunks = std::clamp<int64_t>(p.key_length / kKeysPerChunk, 1, wanted);
  const int64_t width = p.head_dim + 2;
  std::vector<float> partial(static_cast<size_t>(positions * chunks * p.group * width));
  parallel_tasks(positions * chunks, [&](int64_t task) {
    const int64_t chunk = task % chunks, position = task / chunks;
    const int64_t h = position % p.kv_heads, t = position / p.kv_heads % p.query_length;
    const int64_t b = position / p.kv_heads / p.query_length;
    const KeyRange range = p.visible(b, t);
    const int64_t count = range.end - range.begin;
    const int64_t begin = range.begin + count * chunk / chunks,
                  end = range.begin + count * (chunk + 1) / chunks;
    float* to = partial.data() + task * p.group * width;
    if (begin == end) {
      for (int64_t g = 0; g < p.group; ++g) {
        std::fill(to + g * width, to + (g + 1) * width, 0.0f);
        to[g * width + p.head_dim] = -std::numeric_limits<float>::infinity();
      }
      return;
    }
    float* statistics = scratch(ScratchUse::kPackedRows, 2 * p.group);
    attend({p.query + b * p.q_batch + t * p.q_row + h * p.group * p.q_head, p.q_head, p.group,
            p.key_at(b, h, 0), p.k_row, p.value_at(b, h, 0), p.v_row, begin, end, p.head_dim,
            p.scale, scratch(ScratchUse::kScores, p.group * count), to, width, statistics,
            statistics + p.group, p.slopes(h * p.group), p.position(t),
            p.scales_at(p.key_scales, b, h, 0), p.scales_at(p.value_scales, b, h, 0)});
    for (int64_t g = 0; g < p.group; ++g) {
      to[g * width + p.head_dim] = statistics[g];
      to[g * width + p.head_dim + 1] = statistics[p.group + g];
    }
  });
  for (int64_t position = 0; position < positions; ++position) {
    const int64_t h = position % p.kv_heads, t = position / p.kv_heads % p.query_length;
    const int64_t b = position / p.kv_heads / p.query_length;
    float* out = p.out_at(b, t, h * p.group);
    const KeyRange range = p.visible(b, t);
    if (range.begin == range.end) {
      std::fill(out, out + p.group * p.head_dim, 0.0f);
    } else {
      merge_chunks(p, partial.data() + position * chunks * p.group * width, chunks, out);
    }
  }
}

// ---- prefill

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

  float* packed_rows = scratch(ScratchUse::kPackedRows, rows * std::max(p.head_dim, kDepthWords));
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
  for (int64_t k = 0; k < count; k += kDepthWords) {
    const int64_t depth = std::min(kDepthWords, count - k);
    gemm.pack_rows({scores + k, count, rows, depth, packed_rows});
    gemm.block({packed_rows, packed.values + (skipped + k) * gemm.tile_cols,
                gemm.tile_cols * packed_count, rows, p.head_dim, depth, out, out_stride, k > 0,
                nullptr});
  }
}

// Packing widens float16; 8-bit rows of the head become floats first.
void pack(const Problem& p, int64_t b, int64_t h, KeyRange range, float* keys, float* values) {
  const KernelTable& table = kernels::kernels();
  const GemmTable& gemm = table.gemm;
  const int64_t count = range.end - range.begin;
  const std::byte *key = p.key_at(b, h, range.begin), *value = p.value_at(b, h, range.begin);
  if (p.storage == KvStorage::kF16) {
    gemm.pack_columns_f16({key, p.k_row, count, p.head_dim, keys});
    gemm.pack_by_depth_f16({value, p.v_row, p.head_dim, count, values});
  } else if (p.storage == KvStorage::kF32) {
    gemm.pack_columns_f32({key, p.k_row, count, p.head_dim, keys});
    gemm.pack_by_depth_f32({value, p.v_row, p.head_dim, count, values});
  } else {
    float* wide = scratch(ScratchUse::kScores, count * p.head_dim);  // free until scores are made
    table.widen_rows_i8({key, p.k_row, count, p.head_dim,
                         p.scales_at(p.key_scales, b, h, range.begin), wide});
    gemm.pack_columns_f32({wide, p.head_dim, count, p.head_dim, keys});
    table.widen_rows_i8({value, p.v_row, count, p.head_dim,
                         p.scales_at(p.value_scales, b, h, range.begin), wide});
    gemm.pack_by_depth_f32({wide, p.head_dim, p.head_dim, count, values});
  }
}

void prefill(const Problem& p) {
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
    const KeyRange range =
        p.seen_by(b, first_block * block_rows, std::min(last_block * block_rows, p.query_length));
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

}  // namespace

Tensor attention_fused(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                       const AttentionMask& mask) {
  return attention_fused(query, CachedRows{key, {}}, CachedRows{value, {}}, scale, mask);
}

Tensor attention_fused(const Tensor& query, const CachedRows& key, const CachedRows& value,
                       double scale, const AttentionMask& mask) {
  Tensor out =
      torch::empty({query.size(0), query.size(1), query.size(2), query.size(3)}, query.options());
  if (out.numel() == 0) return out;
  if (key.rows.size(2) == 0) return out.zero_();
  const Problem p = problem_of(query, key, value, out.data_ptr<float>(), scale, mask);
  if (p.query_length <= kDecodeQueries) {
    decode(p);
  } else {
    prefill(p);
  }
  return out;
}

}  // namespace isthmus::nn
