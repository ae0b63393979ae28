// Attention without gradients. A few queries (decode) read keys and values once through the decode
// kernel; many go block by block (attention_prefill.cpp).
#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/table.h"
#include "nn/attention_problem.h"
#include "nn/parallel.h"

namespace isthmus::nn {
namespace {

using kernels::KernelTable;
using Problem = AttentionProblem;

constexpr int64_t kKeysPerChunk = 256;  // fewest keys of a decode task when one head is split

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
      merge_partial(partial.data() + position * chunks * p.group * width, chunks, p.group, p.head_dim,
                    out);
    }
  }
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
    attention_prefill(p);
  }
  return out;
}

}  // namespace isthmus::nn
