// In which order the samples of a data set come.
#pragma once

#include <cstddef>
#include <cstdint>

namespace isthmus::samples {

enum class OrderKind {
  kSequential,
  kShuffled,   // another permutation in every epoch
  kResampled,  // each time any sample, with replacement
};

// The sample at every place of an endless sequence, computed from the seed alone: nothing is stored
// but the place, so training resumes exactly, and processes take every n-th place.
class Order {
 public:
  // size above 0; throws InternalError otherwise.
  Order(OrderKind kind, uint64_t seed, size_t size);
  size_t at(uint64_t place) const;

 private:
  OrderKind kind_;
  uint64_t seed_;
  size_t size_;
};

}  // namespace isthmus::samples
