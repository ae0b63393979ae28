// The two ways ops::attention is computed; what they and attention_weights share.
#pragma once

#include "nn/ops.h"

namespace isthmus::nn {

// Which keys query `t` of `query_length` sees, as a range; empty when end <= begin.
KeyRange visible_keys(const AttentionMask& mask, int64_t batch_row, int64_t t, int64_t query_length,
                      int64_t key_length);
// What ALiBi adds to the scores, [heads, query_length, key_length]; undefined when the mask has no
// slopes.
Tensor alibi_bias(const AttentionMask& mask, int64_t query_length, int64_t key_length,
                  const torch::TensorOptions& options);
// The plain composition of ATen calls; differentiable, any float dtype, any device.
Tensor attention_composed(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                          const AttentionMask& mask);

// Kernels on raw pointers: CPU, float32, dense last dimensions; no gradients.
Tensor attention_fused(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                       const AttentionMask& mask);
// The same with keys and values in any storage of a cache.
Tensor attention_fused(const Tensor& query, const CachedRows& key, const CachedRows& value,
                       double scale, const AttentionMask& mask);

// The gradients of attention_fused from that of its result; the weights are computed again. On the
// same terms, and dout any float32 tensor of the result's shape.
struct AttentionGradient {
  Tensor query, key, value;
};
AttentionGradient attention_gradient(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const Tensor& dout, double scale, const AttentionMask& mask);

}  // namespace isthmus::nn
