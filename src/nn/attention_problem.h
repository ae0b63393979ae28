// What the attention kernels work on: one call's tensors as pointers and strides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nn/attention_paths.h"
#include "nn/page_pool.h"

namespace isthmus::nn {

constexpr int64_t kDecodeQueries = 4;  // up to here packing keys and values does not pay

// Keys and values of one sequence and layer in its pages.
struct PagesOfLayer {
  const PagePool& pool;
  std::span<const int64_t> pages;
  int64_t layer;

  // Of the page that begins at `position`.
  PageRows keys(int64_t position, int64_t head) const {
    return at(PagePool::Side::kKeys, position, head);
  }
  PageRows values(int64_t position, int64_t head) const {
    return at(PagePool::Side::kValues, position, head);
  }

 private:
  PageRows at(PagePool::Side side, int64_t position, int64_t head) const {
    return pool.at(layer, side, pages[static_cast<size_t>(position / PagePool::kPositions)], head);
  }
};

struct AttentionProblem {
  const float* query;
  const std::byte* key;  // float32, float16 or int8, as their storage says
  const std::byte* value;
  float* out;  // dense; null where there is none
  int64_t batch, query_length, heads, head_dim, kv_heads, key_length, group;
  int64_t q_batch, q_row, q_head, k_batch, k_head, k_row, v_batch, v_head,
      v_row;  // strides in elements
  KvStorage storage;
  int64_t element_bytes;  // of a key or a value
  const float* key_scales;  // of int8 rows, else null
  const float* value_scales;
  int64_t s_batch, s_head;  // strides of both
  float scale;
  const AttentionMask& mask;
  const PagesOfLayer* pages = nullptr;  // where keys and values lie, if not at key and value

  KeyRange visible(int64_t b, int64_t t) const {
    return visible_keys(mask, b, t, query_length, key_length);
  }
  // The key index at which query t stands.
  int64_t position(int64_t t) const { return key_length - query_length + t; }
  float slope(int64_t head) const {
    return mask.alibi_slopes.empty() ? 0 : mask.alibi_slopes[static_cast<size_t>(head)];
  }
  // Of the heads from `head` on; null when there are none.
  const float* slopes(int64_t head) const {
    return mask.alibi_slopes.empty() ? nullptr : mask.alibi_slopes.data() + head;
  }
  // Row `row` of a key/value head; its scale.
  const std::byte* key_at(int64_t b, int64_t h, int64_t row) const {
    return key + (b * k_batch + h * k_head + row * k_row) * element_bytes;
  }
  const std::byte* value_at(int64_t b, int64_t h, int64_t row) const {
    return value + (b * v_batch + h * v_head + row * v_row) * element_bytes;
  }
  const float* scales_at(const float* scales, int64_t b, int64_t h, int64_t row) const {
    return scales == nullptr ? nullptr : scales + b * s_batch + h * s_head + row;
  }
  float* out_at(int64_t b, int64_t t, int64_t head) const {
    return out + ((b * query_length + t) * heads + head) * head_dim;
  }

  // The smallest range that holds what queries [first, last) see; begin == end when they see
  // nothing.
  KeyRange seen_by(int64_t b, int64_t first, int64_t last) const;
};

AttentionProblem problem_of(const Tensor& query, const CachedRows& key, const CachedRows& value,
                            float* out, double scale, const AttentionMask& mask);

// Many queries.
void attention_prefill(const AttentionProblem& problem);
// Merges the partial results of `chunks` ranges of keys for the `group` heads of one key/value head
// into `out` [group, head_dim]; each is [group, head_dim + 2]: unnormalised values, then the maximum
// and the sum.
void merge_partial(const float* partial, int64_t chunks, int64_t group, int64_t head_dim,
                   float* out);

}  // namespace isthmus::nn
