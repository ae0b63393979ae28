// Attention of one query position for the heads that share one key/value head; a partial result
// over a range of keys, so that ranges may be split over threads and merged.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

// For each head g < group: s_j = scale · query_g · key_j + slopes[g] · (j - position) for j in
// [begin, end), begin < end; max[g] = max_j s_j, sum[g] = Σ_j exp(s_j - max[g]), out_g = Σ_j
// exp(s_j - max[g]) · value_j (not divided by sum). slopes: ALiBi's, null for none; position is the
// query's key index. scores: scratch of group × (end - begin) floats. Strides in elements; the last
// dimension is dense. Keys and values are float32, float16 or 8-bit numbers by function; a step of
// the latter in row j is key_scales[j] and value_scales[j]. Everything else is float32.
struct DecodeAttentionArgs {
  const float* query;
  int64_t query_stride, group;
  const void* key;
  int64_t key_stride;
  const void* value;
  int64_t value_stride;
  int64_t begin, end, head_dim;
  float scale;
  float* scores;
  float* out;
  int64_t out_stride;
  float* max;
  float* sum;
  const float* slopes = nullptr;
  int64_t position = 0;
  const float* key_scales = nullptr;
  const float* value_scales = nullptr;
};

}  // namespace isthmus::kernels
