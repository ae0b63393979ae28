// How much was asked of the processor, to be held against what it can do at most (kernels/peak.h).
#pragma once

#include <cstdint>

#include "nn/attention_paths.h"
#include "nn/weight_matrix.h"

namespace isthmus::nn {

// Of matrix products and attention: above 99 % of a model's arithmetic at published sizes. A multiplication
// and an addition count as two operations; rows that fill a tile and products of zeros do not count.
struct Work {
  double int8_products = 0;   // 2 · rows · in · out, of x in 8 bits with quantised matrices
  double float_products = 0;  // the same of all other matrices
  double attention = 0;       // 4 · head_dim · heads · pairs of a query and a key it sees
  double weight_bytes = 0;    // of the matrices, once for each product
  double cache_bytes = 0;     // keys and values that queries see, once for each call of attention

  double operations() const { return int8_products + float_products + attention; }
  double bytes() const { return weight_bytes + cache_bytes; }
};

// Counts what its thread asks for while it lives, whichever threads then do it. Of several the last made
// counts. Counting costs nothing that a measurement would show.
class WorkCounter {
 public:
  WorkCounter();
  ~WorkCounter();
  WorkCounter(const WorkCounter&) = delete;
  WorkCounter& operator=(const WorkCounter&) = delete;

  const Work& work() const { return work_; }

 private:
  Work work_;
  Work* before_;
};

// `rows` of x times the transposed matrix.
void count_product(const WeightMatrix& matrix, int64_t rows);
// query [batch, Tq, heads, head_dim] over key and value [batch, kv_heads, Tk, head_dim].
void count_attention(const Tensor& query, const Tensor& key, const AttentionMask& mask);

}  // namespace isthmus::nn
