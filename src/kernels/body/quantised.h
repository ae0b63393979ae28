// Rounding of x, and blocks as floats. Included inside the anonymous namespace of one instruction
// set's file, which defines before it
//   kTileRows, kGroupsAtOnce   rows of x, and groups of W, that one tile multiplies
//   kFewRows                   up to here of x blocks are read in place instead of unpacked
//   half_to_float(bits), float_to_half(value)

#include "kernels/body/prefetch.h"

constexpr int64_t kTileCols = kGroupsAtOnce * kGroupRows;

// 256 columns of a row of x to 8 bits: the largest magnitude, NaN above all, becomes 127. Defined by
// body/round_columns.h or one of its kind, which give the same bytes.
inline void round_columns(const float* from, QuantisedColumns& to);

// The scale of columns whose largest magnitude has these bits; returns what they are multiplied by.
inline float take_scale(int32_t largest, QuantisedColumns& to) {
  float magnitude;
  __builtin_memcpy(&magnitude, &largest, 4);
  to.scale = magnitude / 127.0f;
  return magnitude > 0 ? 127.0f / magnitude : 0.0f;
}

void quantise_rows(const QuantiseRowsArgs& a) {
  const int64_t blocks = (a.depth + kBlockDepth - 1) / kBlockDepth;
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t b = 0; b < blocks; ++b) {
      const float* from = a.x + r * a.row_stride + b * kBlockDepth;
      const int64_t left = a.depth - b * kBlockDepth;
      float padded[kBlockDepth];
      if (left < kBlockDepth) {
        for (int64_t i = 0; i < kBlockDepth; ++i) padded[i] = i < left ? from[i] : 0.0f;
        from = padded;
      }
      round_columns(from, a.out[b * a.out_stride + r]);
    }
}

// q of sub-block s; `at` is the place among the 64 of quad k: 4 · row + column.
inline int level_of(const Q4Block& w, int64_t s, int64_t k, int64_t at) {
  return (w.q[s / 2][k][at] >> (s % 2 * 4)) & 15;
}
inline int level_of(const Q5Block& w, int64_t s, int64_t k, int64_t at) {
  return ((w.q[s / 2][k][at] >> (s % 2 * 4)) & 15) | ((w.fifth[k][at] >> s) & 1) << 4;
}
inline int level_of(const Q6Block& w, int64_t s, int64_t k, int64_t at) {
  return ((w.q[s / 2][k][at] >> (s % 2 * 4)) & 15) |
         ((w.upper[s / 4][k][at] >> (s % 4 * 2)) & 3) << 4;
}

// Four columns of a row at a time, which is how they lie. Products and differences are rounded in
// the order of llama.cpp's dequantize_row_*.
template <class Block>
void dequantise(const DequantiseArgs& a) {
  const Block& w = *static_cast<const Block*>(a.block);
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    float scale[kGroupRows], min[kGroupRows];
    for (int64_t r = 0; r < kGroupRows; ++r) {
      scale[r] = half_to_float(w.d[r]) * static_cast<float>(w.scale[s][r]);
      min[r] = half_to_float(w.dmin[r]) * static_cast<float>(w.min[s][r]);
    }
    for (int64_t k = 0; k < kSubQuads; ++k)
      for (int64_t r = 0; r < kGroupRows; ++r) {
        float* to = a.out + r * a.row_stride + s * kSubDepth + 4 * k;
        for (int64_t c = 0; c < 4; ++c)
          to[c] = static_cast<float>(level_of(w, s, k, 4 * r + c)) * scale[r] - min[r];
      }
  }
}

template <>
void dequantise<Q6Block>(const DequantiseArgs& a) {
  const Q6Block& w = *static_cast<const Q6Block*>(a.block);
  for (int64_t s = 0; s < kSubBlocks; ++s)
    for (int64_t k = 0; k < kSubQuads; ++k)
      for (int64_t r = 0; r < kGroupRows; ++r) {
        const float scale =
            half_to_float(w.d[r]) * static_cast<float>(w.scale[2 * s + 2 * k / kSubQuads][r]);
        float* to = a.out + r * a.row_stride + s * kSubDepth + 4 * k;
        for (int64_t c = 0; c < 4; ++c)
          to[c] = scale * static_cast<float>(level_of(w, s, k, 4 * r + c) - kQ6Offset);
      }
}

template <>
void dequantise<Q8Block>(const DequantiseArgs& a) {
  const Q8Block& w = *static_cast<const Q8Block*>(a.block);
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    for (int64_t k = 0; k < kSubQuads; ++k) {
      const uint8_t* q = w.q[s][k];
      for (int64_t r = 0; r < kGroupRows; ++r) {
        const float scale = half_to_float(w.d[s][r]);
        float* to = a.out + r * a.row_stride + s * kSubDepth + 4 * k;
        for (int64_t c = 0; c < 4; ++c)
          to[c] = static_cast<float>(q[4 * r + c] - kQ8Offset) * scale;
      }
    }
  }
}
