// Debian's OpenBLAS does not know processors newer than itself and falls back to SSE3 kernels, a
// quarter of the speed or less. The fused paths use our own products; what ATen composes (training)
// goes through BLAS.
#pragma once

#include <string>

namespace isthmus::nn {

// What ATen's BLAS is, for `doctor`: "OpenBLAS, core SkylakeX", or "other" when no OpenBLAS is
// loaded.
std::string blas_description();
// Makes OpenBLAS choose the core this CPU is. Called once, before any product and before threads
// exist. Does nothing without OpenBLAS, when its choice is good, or when the user set
// OPENBLAS_CORETYPE.
void setup_blas();

}  // namespace isthmus::nn
