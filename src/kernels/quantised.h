// Products with weights of 4, 5, 6 or 8 bits. Rows of x are rounded to 8 bits as well, so that all
// products and most sums are whole numbers.
//
// Sixteen rows of W (a group) by 256 columns make a block. The blocks of a group follow each other
// along the columns, and the groups one another; what is missing at the right and below is zeros.
// INT8 bound: 2 · rows · cols · m at the rate of 8-bit multiply-adds, or bytes(w) / bandwidth.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/peak.h"

namespace isthmus::kernels {

constexpr int64_t kGroupRows = 16, kBlockDepth = 256, kSubDepth = 32, kSubBlocks = 8;
constexpr int64_t kSubQuads = kSubDepth / 4;
constexpr int kQ8Offset = 128;

// w = d · scale · q - dmin · min, with q in 0 … 15, scale and min in 0 … 63 for each 32 columns of a
// row: the arithmetic of llama.cpp's Q4_K. 4.625 bits a weight.
struct alignas(64) Q4Block {
  uint16_t d[kGroupRows], dmin[kGroupRows];  // float16
  uint8_t scale[kSubBlocks][kGroupRows], min[kSubBlocks][kGroupRows];
  // [i][k][4 · row + c]: column 64 i + 4 k + c in the low half of a byte, 32 columns on in the high.
  uint8_t q[kSubBlocks / 2][kSubQuads][4 * kGroupRows];
};

// The same with q in 0 … 31, the arithmetic of Q5_K. 5.625 bits.
struct alignas(64) Q5Block {
  uint16_t d[kGroupRows], dmin[kGroupRows];  // float16
  uint8_t scale[kSubBlocks][kGroupRows], min[kSubBlocks][kGroupRows];
  uint8_t q[kSubBlocks / 2][kSubQuads][4 * kGroupRows];  // the low four bits, as in Q4Block
  // [k][4 · row + c]: bit s is the fifth bit of column 32 s + 4 k + c.
  uint8_t fifth[kSubQuads][4 * kGroupRows];
};

// w = d · scale · (q - 32), with q in 0 … 63 and scale in -128 … 127 for each 16 columns of a row:
// the arithmetic of Q6_K. 6.625 bits.
struct alignas(64) Q6Block {
  uint16_t d[kGroupRows];  // float16
  uint16_t unused[kGroupRows];
  int8_t scale[2 * kSubBlocks][kGroupRows];
  uint8_t q[kSubBlocks / 2][kSubQuads][4 * kGroupRows];  // the low four bits, as in Q4Block
  // [i][k][4 · row + c]: bits 2 j and 2 j + 1 are the upper bits of column 128 i + 32 j + 4 k + c.
  uint8_t upper[kSubBlocks / 4][kSubQuads][4 * kGroupRows];
};
constexpr int kQ6Offset = 32;

// w = d · (q - 128), with q - 128 in -128 … 127 and a d for each 32 columns of a row. 8.5 bits.
struct alignas(64) Q8Block {
  uint16_t d[kSubBlocks][kGroupRows];  // float16
  // [s][k][4 · row + c]: column 32 s + 4 k + c.
  uint8_t q[kSubBlocks][kSubQuads][4 * kGroupRows];
};

// 256 columns of a row of x: x ≈ scale · q, q in -127 … 127, and the sums of each 32 q and each 16.
struct alignas(64) QuantisedColumns {
  int8_t q[kBlockDepth];
  int16_t half_sums[2 * kSubBlocks], sums[kSubBlocks];
  float scale;
  float unused[3];
};

// out[b · out_stride + r] for `rows` rows of `depth` floats, b < ceil(depth / 256): what a block of W
// meets lies together. A row of NaN or infinity gives NaN products.
struct QuantiseRowsArgs {
  const float* x;
  int64_t row_stride, rows, depth;
  QuantisedColumns* out;
  int64_t out_stride;
};

// y[j · y_stride + r] = Σ_k x[j, k] · w[r, k] + bias[r] for j < m and r < rows, rows in (16 ·
// (groups - 1), 16 · groups]. Row j of x in columns b is x[b · x_stride + j], as QuantiseRowsArgs
// writes it; bias may be null.
struct QuantisedProductArgs {
  const void* blocks;  // Q4Block, Q5Block, Q6Block or Q8Block by function
  int64_t groups, rows, depth_blocks;
  const QuantisedColumns* x;
  int64_t x_stride, m;  // m ≤ QuantisedTable::most_rows
  const float* bias;
  float* y;
  int64_t y_stride;
};

// A block of values[r · row_stride + k] for r < rows ≤ 16 and k < cols; columns behind 256 are left
// alone, missing ones are 0, and so is what is not finite.
// Q8: the largest magnitude of 32 columns becomes 127. Q4, Q5: scale and min of 32 columns by least
// squares over a row of first guesses, as llama.cpp does for Q4_K; Q6: so the scale of 16 columns.
struct QuantiseWeightsArgs {
  const float* values;
  int64_t row_stride, rows, cols;
  void* block;
};

// The 16 rows by 256 columns of a block as floats: out[r · row_stride + k].
struct DequantiseArgs {
  const void* block;
  float* out;
  int64_t row_stride;
};

// What is done with one kind of block.
struct QuantisedKind {
  size_t block_bytes;
  void (*multiply)(const QuantisedProductArgs&);
  void (*dequantise)(const DequantiseArgs&);
  void (*quantise)(const QuantiseWeightsArgs&);
};

struct QuantisedTable {
  const char* name;
  int64_t most_rows;    // of x in one call of `multiply`
  int64_t tile_rows;    // of x are done together: fewer take as long
  int64_t most_groups;  // of W that a call gains from
  void (*quantise_rows)(const QuantiseRowsArgs&);
  QuantisedKind q4, q5, q6, q8;
  Peak peak;  // of bytes, in the way of `q4`
};

}  // namespace isthmus::kernels
