#include "nn/embedding.h"

#include "base/check.h"
#include "nn/linear.h"

namespace isthmus::nn {

EmbeddingImpl::EmbeddingImpl(int64_t num_embeddings, int64_t embedding_dim)
    : num_embeddings_(num_embeddings), embedding_dim_(embedding_dim) {}

Tensor EmbeddingImpl::forward(const Tensor& ids) {
  if (weight_.defined()) return torch::embedding(weight_, ids);
  ISTHMUS_CHECK(matrix_ != nullptr, "an embedding was used before its weights were assigned");
  return matrix_->gather_rows(ids);
}

Tensor EmbeddingImpl::project(const Tensor& hidden) {
  if (weight_.defined()) return torch::linear(hidden, weight_);
  ISTHMUS_CHECK(matrix_ != nullptr, "a tied head was used before its weights were assigned");
  return frozen_linear(hidden, Tensor(), matrix_);
}

void EmbeddingImpl::set_matrix(std::shared_ptr<const WeightMatrix> matrix) {
  ISTHMUS_CHECK(matrix->rows() == num_embeddings_ && matrix->cols() == embedding_dim_,
                "an embedding table of another shape");
  matrix_ = std::move(matrix);
  weight_ = Tensor();
  if (parameters_.contains("weight")) parameters_.erase("weight");
}

void EmbeddingImpl::make_trainable() {
  if (!weight_.defined()) {
    ISTHMUS_CHECK(matrix_ != nullptr, "no weights to train");
    replace_parameter("weight", weight_, matrix_->to_dense());
    matrix_.reset();
  }
  weight_.requires_grad_(true);
}

std::vector<Slot> EmbeddingImpl::slots() {
  Slot slot;
  slot.name = "weight";
  slot.shape = {num_embeddings_, embedding_dim_};
  slot.set_matrix = [this](std::shared_ptr<const WeightMatrix> matrix) {
    set_matrix(std::move(matrix));
  };
  slot.matrix = [this] { return matrix_; };
  slot.value = [this] {
    if (weight_.defined()) return weight_.detach();
    return matrix_ ? matrix_->to_dense() : Tensor();
  };
  return {slot};
}

}  // namespace isthmus::nn
