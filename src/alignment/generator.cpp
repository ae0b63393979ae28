#include "alignment/generator.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/content_hash.h"

namespace isthmus::alignment {

uint64_t SplitMix64::next() {
  state_ += 0x9E3779B97F4A7C15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

int64_t SplitMix64::below(int64_t n) {
  ISTHMUS_CHECK(n > 0, "a number below none");
  // The high half of a 64 by 64 bit product, from four products of 32 bits.
  const uint64_t a = next(), b = static_cast<uint64_t>(n);
  const uint64_t a_low = a & 0xFFFFFFFFu, a_high = a >> 32;
  const uint64_t b_low = b & 0xFFFFFFFFu, b_high = b >> 32;
  const uint64_t middle = a_high * b_low + ((a_low * b_low) >> 32);
  const uint64_t carried = a_low * b_high + (middle & 0xFFFFFFFFu);
  return static_cast<int64_t>(a_high * b_high + (middle >> 32) + (carried >> 32));
}

std::vector<int64_t> draw_subset(SplitMix64& random, int64_t size, int64_t count) {
  ISTHMUS_CHECK(count >= 0 && count <= size, "a subset larger than its set");
  std::vector<int64_t> numbers(static_cast<size_t>(size));
  std::iota(numbers.begin(), numbers.end(), int64_t{0});
  for (int64_t i = 0; i < count; ++i)
    std::swap(numbers[static_cast<size_t>(i)],
              numbers[static_cast<size_t>(i + random.below(size - i))]);
  numbers.resize(static_cast<size_t>(count));
  return numbers;
}

std::vector<int64_t> draw_resample(SplitMix64& random, int64_t size) {
  std::vector<int64_t> chosen(static_cast<size_t>(size));
  for (int64_t& index : chosen) index = random.below(size);
  return chosen;
}

std::vector<int64_t> rows_within_budget(std::string_view item_id, int64_t rows, int64_t budget,
                                        uint64_t seed) {
  SplitMix64 random(hash_text(item_id).low ^ seed);
  std::vector<int64_t> chosen = draw_subset(random, rows, std::min(rows, budget));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace isthmus::alignment
