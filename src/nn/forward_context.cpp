#include "nn/forward_context.h"

#include <algorithm>
#include <vector>

#include "nn/kv_cache.h"

namespace isthmus::nn {

Tensor asking_rows(const Tensor& rows, const ForwardContext& context) {
  if (context.wanted_only) return rows.index_select(1, wanted_rows(context.lanes));
  const int64_t first = context.first_row;
  return first > 0 ? rows.narrow(1, first, rows.size(1) - first) : rows;
}

RotaryAngles angles(const Rotary& rotary, const ForwardContext& context, int64_t rows) {
  if (context.lanes.empty()) {
    const int64_t cached = context.cache != nullptr ? context.cache->length() : 0;
    return rotary.angles(context.positions, cached + rows);
  }
  if (!rotary.depends_on_length()) return rotary.angles(context.positions, 0);
  std::vector<Tensor> cos, sin;
  int64_t first = 0;
  for (const Lane& lane : context.lanes) {
    const int64_t length = std::max(lane.total_length, lane.cache->length() + lane.rows);
    const RotaryAngles own = rotary.angles(context.positions.narrow(1, first, lane.rows), length);
    cos.push_back(own.cos);
    sin.push_back(own.sin);
    first += lane.rows;
  }
  return {torch::cat(cos, 1), torch::cat(sin, 1)};
}

}  // namespace isthmus::nn
