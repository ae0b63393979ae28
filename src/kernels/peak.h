// The most arithmetic an instruction set can do: operations on registers, each waiting for none of the last few.
// Products are held against it; no model calls it.
#pragma once

#include <cstdint>

namespace isthmus::kernels {

struct PeakArgs {
  int64_t rounds;
  float* values;  // three: one becomes the sum of all, so that nothing is left out; two are factors
};

// Returns the operations it did, a multiplication and an addition counted as two.
using Peak = int64_t (*)(const PeakArgs&);

}  // namespace isthmus::kernels
