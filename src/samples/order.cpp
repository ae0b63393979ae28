#include "samples/order.h"

#include <bit>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "samples/group_by_length.h"

namespace isthmus::samples {
namespace {

uint64_t mixed(uint64_t a, uint64_t b) {
  return Rng(a ^ (b * 0x9e3779b97f4a7c15ull + 0x632be59bd9b4e019ull)).next();
}

// Luby & Rackoff 1988: four rounds of a Feistel network permute the numbers below a power of four.
uint64_t permuted(uint64_t value, int half_bits, uint64_t key) {
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t left = value >> half_bits, right = value & mask;
  for (uint64_t round = 0; round < 4; ++round) {
    const uint64_t next = left ^ (mixed(key + round, right) & mask);
    left = right;
    right = next;
  }
  return left << half_bits | right;
}

}  // namespace

Order::Order(OrderKind kind, uint64_t seed, size_t size, Grouping grouping)
    : kind_(kind), seed_(seed), size_(size), grouping_(std::move(grouping)) {
  ISTHMUS_CHECK(size > 0, "an order of nothing");
  ISTHMUS_CHECK(kind != OrderKind::kGrouped || grouping_.lengths.size() == size,
                "groups need the length of every sample");
}

// Fisher & Yates, as Durstenfeld 1964 writes it.
void Order::group(uint64_t epoch) {
  Rng rng(mixed(seed_, epoch));
  grouped_ =
      group_by_length(grouping_.lengths, grouping_.batch, grouping_.chunks, [&rng](size_t count) {
        std::vector<size_t> numbers(count);
        std::iota(numbers.begin(), numbers.end(), size_t{0});
        for (size_t left = count; left > 1; --left)
          std::swap(numbers[left - 1], numbers[rng.next() % left]);
        return numbers;
      });
  grouped_epoch_ = epoch;
}

size_t Order::at(uint64_t place) {
  const uint64_t epoch = place / size_, within = place % size_;
  if (kind_ == OrderKind::kSequential) return within;
  if (kind_ == OrderKind::kResampled) return mixed(seed_, place) % size_;
  if (kind_ == OrderKind::kGrouped) {
    if (grouped_.empty() || grouped_epoch_ != epoch) group(epoch);
    return grouped_[within];
  }
  // Numbers that fall behind the end are permuted on until one does not: still a permutation.
  const int half_bits = (std::bit_width(size_ - 1) + 1) / 2;
  const uint64_t key = mixed(seed_, epoch);
  uint64_t value = within;
  do {
    value = permuted(value, half_bits, key);
  } while (value >= size_);
  return value;
}

}  // namespace isthmus::samples
