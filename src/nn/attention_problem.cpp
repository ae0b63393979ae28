#include "nn/attention_problem.h"

#include <algorithm>

namespace isthmus::nn {

KeyRange AttentionProblem::seen_by(int64_t b, int64_t first, int64_t last) const {
  KeyRange all{key_length, 0};
  for (int64_t t = first; t < last; ++t) {
    const KeyRange range = visible(b, t);
    if (range.begin == range.end) continue;
    all = {std::min(all.begin, range.begin), std::max(all.end, range.end)};
  }
  return all.begin < all.end ? all : KeyRange{0, 0};
}

AttentionProblem problem_of(const Tensor& query, const Tensor& key, const Tensor& value, float* out,
                            double scale, const AttentionMask& mask) {
  return {query.data_ptr<float>(),
          key.data_ptr<float>(),
          value.data_ptr<float>(),
          out,
          query.size(0),
          query.size(1),
          query.size(2),
          query.size(3),
          key.size(1),
          key.size(2),
          query.size(2) / key.size(1),
          query.stride(0),
          query.stride(1),
          query.stride(2),
          key.stride(0),
          key.stride(1),
          key.stride(2),
          value.stride(0),
          value.stride(1),
          value.stride(2),
          static_cast<float>(scale),
          mask};
}

}  // namespace isthmus::nn
