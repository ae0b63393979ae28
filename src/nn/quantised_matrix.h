// Frozen weights in blocks of 4, 5, 6 or 8 bits.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "kernels/published_row.h"
#include "nn/weight_matrix.h"

namespace isthmus::nn {

class QuantisedMatrix final : public WeightMatrix {
 public:
  // Blocks as kernels/quantised.h lays them out, 64-byte aligned, kept alive by `owner`. `kind` is
  // kQ4, kQ5, kQ6 or kQ8. Every 32 columns of a row (of kQ6 every 16) have an own scale; the last
  // block of a row is filled up with zeros, so fewer than 256 columns waste room.
  QuantisedMatrix(DType kind, int64_t rows, int64_t cols, const void* blocks,
                  std::shared_ptr<const void> owner);
  // Quantises. `rows_of(first, count, out)` writes rows [first, first + count) as floats, count ≤ 16;
  // it is called from several threads. Never holds more than 16 rows a thread of them.
  using RowReader = std::function<void(int64_t first, int64_t count, float* out)>;
  static std::shared_ptr<const QuantisedMatrix> quantise(DType kind, int64_t rows, int64_t cols,
                                                         const RowReader& rows_of);
  static std::shared_ptr<const QuantisedMatrix> quantise(DType kind, const WeightMatrix& matrix);

  // From the numbers of a published quantised file, without loss. `row_of(row, b, out)` writes
  // columns [256 b, 256 b + 256) of a row into `out`, which comes filled with zeros; columns behind
  // the last may hold any levels. It is called from several threads.
  using PublishedReader = std::function<void(int64_t row, int64_t b, kernels::PublishedRow& out)>;
  static std::shared_ptr<const QuantisedMatrix> repack(DType kind, int64_t rows, int64_t cols,
                                                       const PublishedReader& row_of);

  static size_t bytes_of(DType kind, int64_t rows, int64_t cols);
  // So many bytes, aligned and not initialised.
  static std::shared_ptr<std::byte> allocate(DType kind, int64_t rows, int64_t cols);

  int64_t rows() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  DType dtype() const override { return kind_; }
  size_t bytes() const override { return bytes_of(kind_, rows_, cols_); }
  const void* blocks() const { return blocks_; }
  // x is rounded to 8 bits; products are sums of whole numbers.
  Tensor apply(const Tensor& x, const Tensor& bias) const override;
  // x stays float32: y and dx are those of the very matrix that to_dense() shows.
  Tensor apply_exactly(const Tensor& x) const override;
  Tensor apply_transposed(const Tensor& dy) const override;
  Tensor gather_rows(const Tensor& ids) const override;
  Tensor to_dense() const override;

 private:
  // Rows [first, first + count) as floats, first a multiple of 16.
  Tensor dense_rows(int64_t first, int64_t count) const;

  DType kind_;
  int64_t rows_, cols_;
  const std::byte* blocks_;
  std::shared_ptr<const void> owner_;
};

}  // namespace isthmus::nn
