// What every decoder is to the rest of the engine, and the one loop over its blocks.
#pragma once

#include <cstdint>

#include <torch/nn/module.h>

#include "nn/forward_context.h"
#include "nn/kv_cache.h"

namespace isthmus::decoders {
using torch::Tensor;

// Holds weights only: everything that changes while generating travels in the ForwardContext, so
// one model serves any number of sessions and threads.
class LanguageModel : public torch::nn::Module {
 public:
  virtual Tensor embed_tokens(const Tensor& ids) = 0;  // [...] int64 -> [..., hidden_size] float32
  // embeddings [batch, seq, hidden_size] -> hidden states of the same shape, after the final norm;
  // those from the context's first_row on where it is not 0, of lanes the wanted ones.
  // Extends the context's cache by seq, or that of each lane by its rows. Probes see
  // "decoder.hidden.{l}": 0 is the input, l the output of block l, and the last one has passed the
  // final norm; "decoder.last_block" has not.
  Tensor forward(const Tensor& embeddings, const nn::ForwardContext& context);
  virtual Tensor logits(
      const Tensor& hidden) = 0;  // [..., hidden_size] -> [..., vocab_size] float32

  virtual const nn::CacheGeometry& cache_geometry() const = 0;
  virtual int64_t hidden_size() const = 0;
  virtual int64_t vocab_size() const = 0;

 protected:
  virtual Tensor enter(const Tensor& embeddings, nn::ForwardContext& context) = 0;
  virtual Tensor block(int64_t layer, const Tensor& hidden, const nn::ForwardContext& context) = 0;
  virtual Tensor leave(const Tensor& hidden) = 0;  // final norm
};

}  // namespace isthmus::decoders
