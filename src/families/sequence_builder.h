// Turns segments and aligned media into what a decoder reads; the same for inference and training.
#pragma once

#include <span>
#include <vector>

#include <torch/types.h>

#include "families/family.h"

namespace isthmus::families {

// Of tokens that carry no loss (PyTorch's ignore_index).
constexpr int64_t kIgnoredLabel = -100;

// One row of a batch: its embeddings and, for reuse of a cached prefix, a key per position that is
// equal only where the embedding is equal.
struct Sequence {
  Tensor embeddings;              // [seq, hidden_size]
  std::vector<int64_t> row_keys;  // seq
  std::vector<int64_t> labels;    // seq: the row's own id where it is to be predicted
  std::vector<float> weights;     // seq: how much a label counts
  // Depth port: the media in the order of their markers, and per row how many markers stand at or
  // before it.
  std::vector<std::shared_ptr<const nn::MediaMemory>> media;
  std::vector<int64_t> media_index;  // seq
  int64_t visible = 0;               // of the last row: what its key says of the medium it reads

  // The key of a token that follows the sequence. A late `marker` (-1: none) makes one that equals
  // no other.
  int64_t key_after(int64_t token, int64_t marker) const;
  int64_t length() const { return static_cast<int64_t>(row_keys.size()); }
  // Keeps the first `rows` rows.
  void cut(int64_t rows);
};

struct AlignedMedia {
  const EncodedMedia* encoded;
  int64_t id;  // unique to the content
};

Sequence build_sequence(std::span<const Segment> segments, std::span<const AlignedMedia> media,
                        decoders::LanguageModel& language_model);

// Rows of different length as one batch: embeddings padded with zeros, positions from 0 for every
// row and 0 on padding, and where the real keys of each row stand.   LLaVA,
// prepare_inputs_labels_for_multimodal
struct Batch {
  Tensor embeddings;                     // [batch, seq, hidden_size]
  Tensor positions;                      // [batch, seq]
  std::vector<nn::KeyRange> key_ranges;  // empty when nothing is padded
  nn::MediaView media;                   // padding reads none
  Tensor labels;                         // [batch, seq] int64, ignored on padding
  Tensor weights;                        // [batch, seq]; undefined where all labels count alike
};
Batch pad_batch(std::span<const Sequence> rows, Padding side);

}  // namespace isthmus::families
