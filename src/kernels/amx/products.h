// Products of many rows of x on tiles; few rows, and all else, are AVX-512's.
#pragma once

#include "kernels/quantised.h"

namespace isthmus::kernels {

struct AmxProducts {
  int64_t most_rows, tile_rows, most_groups;  // as of QuantisedTable
  int64_t fewest_rows;                        // with fewer, registers are as fast
  void (*q4)(const QuantisedProductArgs&);
  void (*q5)(const QuantisedProductArgs&);
  void (*q6)(const QuantisedProductArgs&);
  void (*q8)(const QuantisedProductArgs&);
  Peak peak;
};

extern const AmxProducts kAmxProducts;

}  // namespace isthmus::kernels
