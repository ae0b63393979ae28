// One row of a block from the numbers that a published quantised file holds, bit for bit.
#pragma once

#include "kernels/quantised.h"

namespace isthmus::kernels {

// 256 columns of one row. What a kind does not name it does not read.
//   Q4Block (Q4_K)  w = d[0] · scale[s] · q - dmin · min[s]   q in 0 … 15, s = column / 32
//   Q5Block (Q5_K)  the same                                  q in 0 … 31
//   Q6Block (Q6_K)  w = d[0] · scale[s] · (q - 32)            q in 0 … 63, s = column / 16
//   Q8Block (Q8_0)  w = d[s] · (q - 128)                      q in 0 … 255, s = column / 32
// scale is in 0 … 63 for Q4 and Q5, -128 … 127 for Q6; min in 0 … 63. A type with an own d for each
// 32 columns, no min and no more than 8 bits (Q4_0, Q5_0) fits Q8Block without loss.
struct PublishedRow {
  uint16_t d[kSubBlocks], dmin;  // float16, as stored
  int8_t scale[2 * kSubBlocks];
  uint8_t min[kSubBlocks];
  uint8_t q[kBlockDepth];
};

// Row `row` < 16 of the block becomes `from`; the other rows keep what they hold.
void put_row(Q4Block& block, int64_t row, const PublishedRow& from);
void put_row(Q5Block& block, int64_t row, const PublishedRow& from);
void put_row(Q6Block& block, int64_t row, const PublishedRow& from);
void put_row(Q8Block& block, int64_t row, const PublishedRow& from);

}  // namespace isthmus::kernels
