// What blocks between the decoder's own read of media: the depth port at run time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/types.h>

namespace isthmus::nn {
using torch::Tensor;

// Keys and values of one medium for one cross-attention block.
struct MediaKeyValue {
  Tensor key, value;  // [heads, latents, head_dim] float32; undefined where a layer reads no media
};

// One medium as cross-attention reads it. Belongs to a session or a cache of media, never to a
// module; immutable once made, so any number of sequences and threads may share it.
struct MediaMemory {
  Tensor latents;  // [latents, width]
  // Per decoder layer, computed once per medium. Empty while training: the blocks then project the
  // latents themselves, and gradients flow back to them.
  std::vector<MediaKeyValue> layers;
};

// The media of each sequence, and which of them its rows may read. A sequence is a row of the batch,
// or a lane where several stand side by side.
struct MediaView {
  std::vector<std::vector<std::shared_ptr<const MediaMemory>>> media;  // per sequence, in order
  // Per sequence and position of this call: how many media begin at or before it. 0: none.
  std::vector<std::vector<int64_t>> index;
};

}  // namespace isthmus::nn
