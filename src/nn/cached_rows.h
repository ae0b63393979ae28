// Keys or values as a KV cache holds them.
#pragma once

#include <string_view>

#include <torch/types.h>

namespace isthmus::nn {
using torch::Tensor;

// q8: 8-bit numbers with a scale for each row of a head.
enum class KvStorage { kF32, kF16, kQ8 };

// "f32", "f16", "q8". Throws UsageError for anything else.
KvStorage parse_kv_storage(std::string_view text);

struct CachedRows {
  Tensor rows;    // [batch, kv_heads, length, head_dim]: float32, float16 or int8
  Tensor scales;  // [batch, kv_heads, length], of int8 only

  Tensor widened() const;  // as float32; `rows` itself where it is that already
};

}  // namespace isthmus::nn
