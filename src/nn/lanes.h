// Several sequences in one pass: the rows of all stand side by side as [1, total rows, hidden_size],
// so that every weight is read once, and attention goes sequence by sequence.  Yu et al. 2022 (Orca)
#pragma once

#include <cstdint>
#include <span>

#include <torch/types.h>

#include "nn/ops.h"
#include "nn/page_pool.h"

namespace isthmus::nn {

// One sequence's part of a pass.
struct Lane {
  int64_t rows;       // of this call
  int64_t wanted;     // so many of the last of them come out
  PagedCache* cache;  // what came before; has room for the rows
  // Keys counted for dynamic rotary scaling where more are to follow in the same prompt; 0: those
  // there are after this call.
  int64_t total_length = 0;
};

int64_t rows_of(std::span<const Lane> lanes);
int64_t wanted_of(std::span<const Lane> lanes);
// Where the wanted rows stand, [wanted_of] int64.
Tensor wanted_rows(std::span<const Lane> lanes);

// query [1, rows of all lanes, or the wanted ones only, heads, head_dim]; key, value [1, rows of
// all, kv_heads, head_dim], which every lane's cache takes in as layer `layer`. Each lane is causal
// over its own keys; ranges of the mask are not read. -> as query
Tensor attend_lanes(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                    const AttentionMask& mask, int64_t layer, std::span<const Lane> lanes);

}  // namespace isthmus::nn
