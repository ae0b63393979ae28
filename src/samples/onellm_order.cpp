#include "samples/onellm_order.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "samples/reference_random.h"

namespace isthmus::samples {
namespace {

std::vector<size_t> counted_from(size_t first, size_t count) {
  std::vector<size_t> indices(count);
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

void check(const BatchShape& shape) {
  ISTHMUS_CHECK(shape.in_step() > 0 && shape.rank < shape.world,
                "a batch of something, for one of the processes");
}

// Characters, as Python's len counts them.
size_t characters(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::vector<size_t> alignment_order(std::span<const size_t> sizes, const BatchShape& shape) {
  check(shape);
  const size_t at_once = shape.batch * shape.world;
  PythonRandom random(0);
  std::vector<std::vector<size_t>> shuffled;
  size_t first = 0, rounds = std::numeric_limits<size_t>::max();
  for (const size_t size : sizes) {
    shuffle(shuffled.emplace_back(counted_from(first, size)), random);
    first += size;
    rounds = std::min(rounds, size / at_once);
  }
  std::vector<size_t> order;
  for (size_t round = 0; round < rounds && !sizes.empty(); ++round)
    for (const std::vector<size_t>& indices : shuffled)
      for (size_t k = shape.rank; k < at_once; k += shape.world)
        order.push_back(indices[round * at_once + k]);
  return order;
}

std::vector<size_t> instruction_order(std::span<const size_t> group_sizes, const BatchShape& shape,
                                      uint64_t seed, uint64_t epoch) {
  check(shape);
  std::vector<std::vector<size_t>> steps;
  size_t first = 0;
  for (const size_t size : group_sizes) {
    for (size_t k = 0; k + shape.in_step() <= size; k += shape.in_step())
      steps.push_back(counted_from(first + k, shape.in_step()));
    first += size;
  }
  NumpyRandom random(seed + epoch);
  shuffle(steps, random);
  std::vector<size_t> order;
  for (const std::vector<size_t>& step : steps)
    for (size_t k = shape.rank * shape.batch; k < step.size(); k += shape.world * shape.batch)
      for (size_t i = 0; i < shape.batch; ++i) order.push_back(step[k + i]);
  return order;
}

std::vector<size_t> by_length(const DataSet& conversations) {
  std::vector<size_t> lengths;
  for (size_t i = 0; i < conversations.size(); ++i) {
    size_t& length = lengths.emplace_back(0);
    for (const Turn& turn : conversations.at(i).turns) length += characters(turn.text);
  }
  std::vector<size_t> order = counted_from(0, lengths.size());
  std::ranges::stable_sort(order, {}, [&](size_t i) { return lengths[i]; });
  return order;
}

}  // namespace isthmus::samples
