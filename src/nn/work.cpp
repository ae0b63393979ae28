#include "nn/work.h"

#include <algorithm>

namespace isthmus::nn {
namespace {

thread_local Work* counted = nullptr;

}  // namespace

WorkCounter::WorkCounter() : before_(counted) { counted = &work_; }
WorkCounter::~WorkCounter() { counted = before_; }

void count_product(const WeightMatrix& matrix, int64_t rows) {
  if (counted == nullptr) return;
  (is_quantised(matrix.dtype()) ? counted->int8_products : counted->float_products) +=
      2.0 * static_cast<double>(rows) * static_cast<double>(matrix.rows()) *
      static_cast<double>(matrix.cols());
  counted->weight_bytes += static_cast<double>(matrix.bytes());
}

void count_attention(const Tensor& query, const Tensor& key, const AttentionMask& mask) {
  if (counted == nullptr) return;
  const int64_t queries = query.size(1), keys = key.size(2);
  double pairs = 0, seen = 0;
  for (int64_t b = 0; b < query.size(0); ++b) {
    KeyRange all{keys, 0};
    for (int64_t t = 0; t < queries; ++t) {
      const KeyRange range = visible_keys(mask, b, t, queries, keys);
      if (range.end <= range.begin) continue;
      pairs += static_cast<double>(range.end - range.begin);
      all = {std::min(all.begin, range.begin), std::max(all.end, range.end)};
    }
    seen += static_cast<double>(std::max<int64_t>(all.end - all.begin, 0));
  }
  counted->attention +=
      4 * pairs * static_cast<double>(query.size(2)) * static_cast<double>(query.size(3));
  counted->cache_bytes += 2 * seen * static_cast<double>(key.size(1)) *
                          static_cast<double>(key.size(3) * key.element_size());
}

}  // namespace isthmus::nn
