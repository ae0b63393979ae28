// Turns segments and aligned media into what a decoder reads; the same for inference and training.
#pragma once

#include <span>
#include <vector>

#include <torch/types.h>

#include "families/family.h"

namespace isthmus::families {

// One row of a batch: its embeddings and, for reuse of a cached prefix, a key per position that is
// equal only where the embedding is equal.
struct Sequence {
  Tensor embeddings;              // [seq, hidden_size]
  std::vector<int64_t> row_keys;  // seq
  int64_t length() const { return static_cast<int64_t>(row_keys.size()); }
};

// `media_ids[i]` is a number unique to the content of medium i.
Sequence build_sequence(std::span<const Segment> segments, std::span<const Tensor> media_tokens,
                        std::span<const int64_t> media_ids,
                        decoders::LanguageModel& language_model);

// Rows of different length as one batch: embeddings padded with zeros, positions from 0 for every
// row and 0 on padding, and where the real keys of each row stand.   LLaVA,
// prepare_inputs_labels_for_multimodal
struct Batch {
  Tensor embeddings;                     // [batch, seq, hidden_size]
  Tensor positions;                      // [batch, seq]
  std::vector<nn::KeyRange> key_ranges;  // empty when nothing is padded
};
Batch pad_batch(std::span<const Sequence> rows, Padding side);

}  // namespace isthmus::families
