// Multi-head self-attention of decoders (causal, rotary, grouped, cached) and of vision encoders.
#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "nn/forward_context.h"
#include "nn/linear.h"
#include "nn/ops.h"

namespace isthmus::nn {

// What an attention does once queries, keys and values are projected and, where they are, rotated.
struct AttendOptions {
  double scale;  // of the scores
  bool causal = true;
  int64_t sliding_window = 0;           // causal only; as AttentionMask::window
  std::vector<float> alibi_slopes = {};  // one per query head; empty: none
  int64_t layer = 0;                     // place in the KV cache
  std::string probe_name = {};           // of the attention weights [batch, heads, queries, keys]
};

// query [batch, seq, heads, head_dim]; key, value [batch, seq, kv_heads, head_dim], of this call.
// -> [batch, seq, heads · head_dim]. The context's cache, when it has one, is read and extended;
// its probe sees the weights.
Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value,
              const AttendOptions& options, const ForwardContext& context);

struct SelfAttentionOptions {
  int64_t hidden_size, num_attention_heads, num_key_value_heads, head_dim;
  bool bias = false;
  bool causal = true;
  int64_t sliding_window = 0;  // causal only; as AttentionMask::window
  RotaryLayout rotary_layout = RotaryLayout::kHalves;
  std::string output_name = "o_proj";  // "out_proj" in CLIP and OPT
  int64_t layer = 0;                   // place in the KV cache
  std::string probe_name = {};         // of the attention weights [batch, heads, queries, keys]
};

// out(softmax(q kᵀ / sqrt(head_dim)) v), heads side by side: Vaswani et al. 2017, eq. 1.
// num_attention_heads / num_key_value_heads query heads share keys and values. Queries and keys are
// rotated when the context carries angles; its cache, when it has one, is read and extended.
class SelfAttentionImpl : public torch::nn::Module {
 public:
  explicit SelfAttentionImpl(const SelfAttentionOptions& options);
  // [batch, seq, hidden_size] -> same, of the rows from the context's first_row on
  Tensor forward(const Tensor& x, const ForwardContext& context);

 private:
  SelfAttentionOptions options_;
  AttendOptions attend_;
  Linear q_proj_, k_proj_, v_proj_, out_proj_;
};
TORCH_MODULE(SelfAttention);

// softmax(scale · q kᵀ + ALiBi) over the keys the mask lets through; rows that see nothing are
// zero. Shapes as ops::attention. -> [batch, heads, queries, keys]
Tensor attention_weights(const Tensor& query, const Tensor& key, double scale,
                         const AttentionMask& mask);

}  // namespace isthmus::nn
