#include "kernels/published_row.h"

namespace isthmus::kernels {
namespace {

// The bits `mask` of a byte become `bits`.
void set_bits(uint8_t& byte, int mask, int bits) {
  byte = static_cast<uint8_t>((byte & ~mask) | (bits & mask));
}

// The low four bits of every column, which all kinds but Q8 hold alike.
template <class Block>
void put_low_halves(Block& block, int64_t row, const PublishedRow& from) {
  for (int64_t pair = 0; pair < kSubBlocks / 2; ++pair) {
    const uint8_t* low = from.q + 2 * kSubDepth * pair;
    for (int64_t i = 0; i < kSubDepth; ++i)
      block.q[pair][i / 4][4 * row + i % 4] =
          static_cast<uint8_t>((low[i] & 15) | low[kSubDepth + i] << 4);
  }
}

template <class Block>
void put_lines(Block& block, int64_t row, const PublishedRow& from) {
  block.d[row] = from.d[0];
  block.dmin[row] = from.dmin;
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    block.scale[s][row] = static_cast<uint8_t>(from.scale[s]);
    block.min[s][row] = from.min[s];
  }
  put_low_halves(block, row, from);
}

}  // namespace

void put_row(Q4Block& block, int64_t row, const PublishedRow& from) { put_lines(block, row, from); }

void put_row(Q5Block& block, int64_t row, const PublishedRow& from) {
  put_lines(block, row, from);
  for (int64_t column = 0; column < kBlockDepth; ++column) {
    const int64_t s = column / kSubDepth, i = column % kSubDepth;
    set_bits(block.fifth[i / 4][4 * row + i % 4], 1 << s, from.q[column] >> 4 << s);
  }
}

void put_row(Q6Block& block, int64_t row, const PublishedRow& from) {
  block.d[row] = from.d[0];
  for (int64_t s = 0; s < 2 * kSubBlocks; ++s) block.scale[s][row] = from.scale[s];
  put_low_halves(block, row, from);
  for (int64_t column = 0; column < kBlockDepth; ++column) {
    const int64_t s = column / kSubDepth, i = column % kSubDepth, shift = 2 * (s % 4);
    set_bits(block.upper[s / 4][i / 4][4 * row + i % 4], 3 << shift, from.q[column] >> 4 << shift);
  }
}

void put_row(Q8Block& block, int64_t row, const PublishedRow& from) {
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    block.d[s][row] = from.d[s];
    for (int64_t i = 0; i < kSubDepth; ++i)
      block.q[s][i / 4][4 * row + i % 4] = from.q[s * kSubDepth + i];
  }
}

}  // namespace isthmus::kernels
