// Random numbers of the resampling statistics.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace isthmus::alignment {

// SplitMix64 (Steele, Lea & Flood 2014): fixed by the definition of the metrics, so that intervals
// are the same on every machine and in the reference.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t next();
  int64_t below(int64_t n);  // [0, n): the high 64 bits of next() times n, no rejection
 private:
  uint64_t state_;
};

// `count` of 0 … size - 1 without replacement, in the order drawn (partial Fisher & Yates).
std::vector<int64_t> draw_subset(SplitMix64& random, int64_t size, int64_t count);
// `size` of 0 … size - 1 with replacement.
std::vector<int64_t> draw_resample(SplitMix64& random, int64_t size);

// The rows of one item that take part in all metrics: at most `budget` of `rows`, rising, the same
// at every layer and step since they follow from the item and the seed alone.
std::vector<int64_t> rows_within_budget(std::string_view item_id, int64_t rows, int64_t budget,
                                        uint64_t seed);

}  // namespace isthmus::alignment
