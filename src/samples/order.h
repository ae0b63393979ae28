// In which order the samples of a data set come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace isthmus::samples {

enum class OrderKind {
  kSequential,
  kShuffled,   // another permutation in every epoch
  kResampled,  // each time any sample, with replacement
  kGrouped,    // shuffled, but those of one batch are of about one length: group_by_length.h
};

// Of kGrouped.
struct Grouping {
  std::vector<int64_t> lengths;  // of every sample, as group_by_length takes them
  size_t batch = 1, chunks = 1;
};

// The sample at every place of an endless sequence, computed from the seed alone: nothing is stored
// but the place, so training resumes exactly, and processes take every n-th place. Of one thread.
class Order {
 public:
  // size above 0; throws InternalError otherwise.
  Order(OrderKind kind, uint64_t seed, size_t size, Grouping grouping = {});
  size_t at(uint64_t place);

 private:
  void group(uint64_t epoch);

  OrderKind kind_;
  uint64_t seed_;
  size_t size_;
  Grouping grouping_;
  uint64_t grouped_epoch_ = 0;
  std::vector<size_t> grouped_;  // the samples of that epoch
};

}  // namespace isthmus::samples
