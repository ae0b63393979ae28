// A table of rows looked up by id, and the same table read as an output head.
#pragma once

#include <memory>
#include <vector>

#include <torch/nn/pimpl.h>

#include "nn/slots.h"
#include "nn/weight_matrix.h"

namespace isthmus::nn {

// Made without weights (slot "weight"), frozen until make_trainable().
class EmbeddingImpl : public SlotModule {
 public:
  EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim);

  Tensor forward(const Tensor& ids);  // [...] int64 -> [..., embedding_dim] float32
  Tensor project(
      const Tensor& hidden);  // [..., embedding_dim] -> [..., num_embeddings]: a tied head

  int64_t num_embeddings() const { return num_embeddings_; }
  void set_matrix(std::shared_ptr<const WeightMatrix> matrix);
  void make_trainable();
  std::vector<Slot> slots() override;

 private:
  int64_t num_embeddings_, embedding_dim_;
  std::shared_ptr<const WeightMatrix> matrix_;  // frozen …
  Tensor weight_;                               // … or trainable
};
TORCH_MODULE(Embedding);

}  // namespace isthmus::nn
