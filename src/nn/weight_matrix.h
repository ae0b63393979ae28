// A frozen, read-only weight matrix behind any storage.
#pragma once

#include <memory>

#include <torch/types.h>

#include "base/dtype.h"

namespace isthmus::nn {
using torch::Tensor;

// Shared by all sessions; immutable; safe from any thread.
class WeightMatrix {
 public:
  virtual ~WeightMatrix() = default;
  virtual int64_t rows() const = 0;  // out_features
  virtual int64_t cols() const = 0;  // in_features
  virtual DType dtype() const = 0;
  virtual size_t bytes() const = 0;
  // x [..., cols] -> x Wᵀ (+ bias, if defined) [..., rows], float32
  virtual Tensor apply(const Tensor& x, const Tensor& bias) const = 0;
  // The same without rounding x to fewer bits, where apply() does: what training differentiates.
  virtual Tensor apply_exactly(const Tensor& x) const { return apply(x, Tensor()); }
  // dy [..., rows] -> dy W [..., cols], so that gradients pass through frozen weights
  virtual Tensor apply_transposed(const Tensor& dy) const = 0;
  // ids [...] int64 -> [..., cols] float32: embeddings
  virtual Tensor gather_rows(const Tensor& ids) const = 0;
  // The whole matrix as float32 (tests, merging).
  virtual Tensor to_dense() const = 0;
};

}  // namespace isthmus::nn
