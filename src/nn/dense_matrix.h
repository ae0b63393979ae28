// Frozen weights as plain rows of float32, float16 or bfloat16, usually straight from a mapped
// file.
#pragma once

#include <memory>

#include "nn/matmul.h"
#include "nn/weight_matrix.h"

namespace isthmus::nn {

class DenseMatrix final : public WeightMatrix {
 public:
  // Nothing is copied: `owner` keeps the bytes behind `stored` alive. They may be unaligned.
  DenseMatrix(const StoredMatrix& stored, std::shared_ptr<const void> owner,
              Arithmetic arithmetic = Arithmetic::kFloat32);
  // Takes a [rows, cols] float32, float16 or bfloat16 tensor, without copying if its rows are
  // dense.
  explicit DenseMatrix(const Tensor& values, Arithmetic arithmetic = Arithmetic::kFloat32);

  int64_t rows() const override { return stored_.rows; }
  int64_t cols() const override { return stored_.cols; }
  DType dtype() const override { return stored_.dtype; }
  size_t bytes() const override;
  Tensor apply(const Tensor& x, const Tensor& bias) const override;
  Tensor apply_transposed(const Tensor& dy) const override;
  Tensor gather_rows(const Tensor& ids) const override;
  Tensor to_dense() const override;

  const StoredMatrix& stored() const { return stored_; }
  Arithmetic arithmetic() const { return arithmetic_; }

 private:
  bool fused(const Tensor& x) const;

  StoredMatrix stored_;
  std::shared_ptr<const void> owner_;
  Arithmetic arithmetic_;
};

}  // namespace isthmus::nn
