// Between encoder and language model: what the language model gets to see of one piece of media.
#pragma once

#include <vector>

#include <torch/types.h>

#include "nn/features.h"
#include "nn/forward_context.h"
#include "nn/slots.h"

namespace isthmus::aligners {
using torch::Tensor;

// Each published family fills exactly one port; both may be filled at once.
struct Alignment {
  Tensor tokens;  // sequence port: soft tokens [items, rows, hidden_size], become rows of the input
                  // sequence
  Tensor memory;  // depth port: latents [items, latents, width], read by cross-attention inside the
                  // decoder
};

// Weights only; safe from any thread.
class Aligner : public nn::SlotModule {
 public:
  virtual Alignment align(const nn::Features& features, const nn::ForwardContext& context) = 0;
  // Weights held beside the child modules.
  std::vector<nn::Slot> slots() override { return {}; }
  // Extra blocks owned by this aligner that run between decoder blocks.
  virtual nn::BlockHook* block_hook() { return nullptr; }
};

}  // namespace isthmus::aligners
