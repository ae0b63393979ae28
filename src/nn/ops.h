// The operators models are written in. Each takes a fused kernel where dtype, device and layout fit,
// with the kernel of its gradient where one is recorded, otherwise the plain composition of ATen
// calls, which alone can be differentiated twice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <torch/types.h>

#include "nn/cached_rows.h"

namespace isthmus::nn {
using torch::Tensor;

enum class RotaryLayout { kHalves, kPairs };

// Which keys a query may see. Keys of one row of the batch that hold real tokens form one range;
// what lies outside is padding. Query t of a call with Tq queries and Tk keys stands at key index
// Tk - Tq + t.
struct KeyRange {
  int64_t begin, end;
};
struct AttentionMask {
  bool causal = false;
  int64_t window = 0;  // causal only: a query sees itself and window - 1 keys before it; 0 = all
  std::vector<KeyRange> ranges;  // one per batch row; empty: every key is real
  // One per query head: slope · (key index - query's key index) is added to a score. Empty: nothing
  // is. Press et al. 2022 (ALiBi), §3
  std::span<const float> alibi_slopes = {};
};

namespace ops {

// True when nothing is recorded in this thread, inference mode or no-grad, and fused kernels are not
// switched off.
bool fused_enabled();
// Switches fused kernels off for this thread while alive (tests and `--composed`).
class ComposedOnly {
 public:
  ComposedOnly();
  ~ComposedOnly();
  ComposedOnly(const ComposedOnly&) = delete;
  ComposedOnly& operator=(const ComposedOnly&) = delete;

 private:
  bool before_;
};

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps);  // [..., dim]
// weight and bias may be undefined: 1 and 0.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
Tensor silu_mul(const Tensor& gate, const Tensor& up);  // silu(gate) ⊙ up
Tensor gelu(const Tensor& x);                           // exact (erf)
Tensor gelu_tanh(const Tensor& x);
Tensor quick_gelu(const Tensor& x);  // x · sigmoid(1.702 x)
// x [batch, seq, heads, head_dim]; cos, sin [batch or 1, seq, rotary_dims / 2] float32. The first
// rotary_dims elements of a head turn, the others stay.    Su et al. 2021, eq. 34
Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout);
// query [batch, Tq, heads, head_dim]; key, value [batch, kv_heads, Tk, head_dim] (last dimension
// dense).
// -> [batch, Tq, heads, head_dim]. heads is a multiple of kv_heads. A query that sees nothing
// yields zeros.
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                 const AttentionMask& mask);
// The same over keys and values as a cache holds them; the kernels read those in place.
Tensor attention(const Tensor& query, const CachedRows& key, const CachedRows& value, double scale,
                 const AttentionMask& mask);

}  // namespace ops
}  // namespace isthmus::nn
