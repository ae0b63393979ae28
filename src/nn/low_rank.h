// Adding a low-rank product to a stored matrix: Hu et al. 2021, §4.1.
#pragma once

#include <memory>

#include "nn/dense_matrix.h"

namespace isthmus::nn {

// W + scaling · B A in the storage type of W, as new memory. a [r, cols], b [rows, r], both
// float32. Over float16 the factors, the product and the sum are each rounded to float16, as the
// reference (PEFT on the CPU) does; otherwise only the sum is rounded. One pass over W in blocks of
// rows; nothing of W's size but the result.
std::shared_ptr<const DenseMatrix> add_low_rank(const DenseMatrix& w, const Tensor& a,
                                                const Tensor& b, double scaling);

}  // namespace isthmus::nn
