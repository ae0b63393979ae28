// What is slow to compile, once.
#pragma once

#include "alignment/dense.h"

namespace isthmus::alignment {

Vector singular_values(const Matrix& x);  // min(rows, cols) of them, falling
struct SymmetricEigen {
  Vector values;   // rising
  Matrix vectors;  // in columns
};
SymmetricEigen symmetric_eigen(const Matrix& x);

}  // namespace isthmus::alignment
