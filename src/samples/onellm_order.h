// In which order OneLLM's training takes samples from its data sets: one kind of medium in every
// batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "samples/sample.h"

namespace isthmus::samples {

// How a run is cut into batches, and which of its processes asks.
struct BatchShape {
  size_t batch = 1;       // samples of a process in one micro-batch
  size_t accumulate = 1;  // micro-batches of a step
  size_t world = 1;       // processes
  size_t rank = 0;

  size_t in_step() const { return batch * accumulate * world; }
};

// Alignment: every data set shuffled by Python's random with seed 0 (one generator for all), cut
// into batches, and a batch of each in turn until the smallest has none left. Indices count on from
// one data set to the next. `accumulate` plays no part.  pretrain_dataset.py, ConcatDataset
std::vector<size_t> alignment_order(std::span<const size_t> sizes, const BatchShape& shape);

// Instruction tuning: each group in its own order, what does not fill the batches of a step at its
// end left out, and those of all groups shuffled by NumPy.  finetune_dataset.py,
// FinetuneDistSampler
std::vector<size_t> instruction_order(std::span<const size_t> group_sizes, const BatchShape& shape,
                                      uint64_t seed, uint64_t epoch);

// The order within a group: by the length of all turns in characters, so that a batch holds samples
// of about one length, and it is the longest that are left out. Reads every sample once.
std::vector<size_t> by_length(const DataSet& conversations);

}  // namespace isthmus::samples
