// Orders in which the samples of one batch are of about one length, and with media or without.
//                                                          LLaVA, llava/train/llava_trainer.py
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "samples/sample.h"

namespace isthmus::samples {

// The numbers below `count`, in a random order.
using Permutation = std::function<std::vector<size_t>(size_t count)>;

// What the reference sorts by: words between white space in all turns; negative without media.
int64_t modality_length(const Sample& sample);

// An epoch in megabatches of `chunks` batches. `lengths`, never 0: above it with media, below it
// without. Each megabatch has samples of one kind, drawn at random, and each batch of it about the
// same length; megabatches come in random order, and what does not fill one of either kind comes
// last. `permutation` is asked for the samples with media, those without, and the megabatches, in
// this order; where all are of one kind, for the samples alone.
std::vector<size_t> group_by_length(std::span<const int64_t> lengths, size_t batch, size_t chunks,
                                    const Permutation& permutation);

}  // namespace isthmus::samples
