// Keys and values of the tokens a session has seen.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "nn/cached_rows.h"

namespace isthmus::nn {
using torch::Tensor;

struct CacheGeometry {
  int64_t num_hidden_layers, num_key_value_heads, head_dim;
};

// Grown in steps. One owner, one thread at a time.
class KvCache {
 public:
  KvCache(const CacheGeometry& geometry, int64_t batch, int64_t max_length,
          KvStorage storage = KvStorage::kF32);
  // key, value [batch, seq, kv_heads, head_dim] of layer `layer`, float32. Returns all keys and
  // values so far, of length + seq. `advance` is called once per forward, after the last layer.
  std::pair<CachedRows, CachedRows> append(int64_t layer, const Tensor& key, const Tensor& value);
  void advance(int64_t seq);
  int64_t length() const { return length_; }
  int64_t max_length() const { return max_length_; }
  void truncate(int64_t length);  // keep the first `length` positions
  void reorder(
      const Tensor& batch_index);  // rows of the batch become batch_index[...] (beam search)

 private:
  CachedRows append_to(CachedRows& held, const Tensor& rows, int64_t needed);

  CacheGeometry geometry_;
  KvStorage storage_;
  int64_t batch_, max_length_, capacity_ = 0, length_ = 0;
  std::vector<CachedRows> keys_, values_;  // per layer, of length capacity
};

}  // namespace isthmus::nn
