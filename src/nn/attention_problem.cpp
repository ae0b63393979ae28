#include "nn/attention_problem.h"

#include <algorithm>

namespace isthmus::nn {

KeyRange AttentionProblem::seen_by(int64_t b, int64_t first, int64_t last) const {
  KeyRange all{key_length, 0};
  for (int64_t t = first; t < last; ++t) {
    const KeyRange range = visible(b, t);
    if (range.begin == range.end) continue;
    all = {std::min(all.begin, range.begin), std::max(all.end, range.end)};
  }
  return all.begin < all.end ? all : KeyRange{0, 0};
}

AttentionProblem problem_of(const Tensor& query, const CachedRows& keys, const CachedRows& values,
                            float* out, double scale, const AttentionMask& mask) {
  const Tensor &key = keys.rows, &value = values.rows;
  const auto type = key.scalar_type();
  const bool scaled = type == torch::kChar;
  return {.query = query.data_ptr<float>(),
          .key = static_cast<const std::byte*>(key.data_ptr()),
          .value = static_cast<const std::byte*>(value.data_ptr()),
          .out = out,
          .batch = query.size(0),
          .query_length = query.size(1),
          .heads = query.size(2),
          .head_dim = query.size(3),
          .kv_heads = key.size(1),
          .key_length = key.size(2),
          .group = query.size(2) / key.size(1),
          .q_batch = query.stride(0),
          .q_row = query.stride(1),
          .q_head = query.stride(2),
          .k_batch = key.stride(0),
          .k_head = key.stride(1),
          .k_row = key.stride(2),
          .v_batch = value.stride(0),
          .v_head = value.stride(1),
          .v_row = value.stride(2),
          .storage = scaled                 ? KvStorage::kQ8
                     : type == torch::kHalf ? KvStorage::kF16
                                            : KvStorage::kF32,
          .element_bytes = static_cast<int64_t>(key.element_size()),
          .key_scales = scaled ? keys.scales.data_ptr<float>() : nullptr,
          .value_scales = scaled ? values.scales.data_ptr<float>() : nullptr,
          .s_batch = scaled ? keys.scales.stride(0) : 0,
          .s_head = scaled ? keys.scales.stride(1) : 0,
          .scale = static_cast<float>(scale),
          .mask = mask};
}

}  // namespace isthmus::nn
