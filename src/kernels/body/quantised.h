// Rounding of x, and the walk over blocks. Included inside the anonymous namespace of one
// instruction set's file, which defines before it
//   kTileRows, kGroupsAtOnce   rows of x, and groups of W, that one tile multiplies
//   kFewRows                   up to here of x blocks are read in place instead of unpacked
//   half_to_float(bits)
// and after it, for each kind of block,
//   struct Unpacked<Block>; unpack(block, unpacked)
//   tile<R>(unpacked of kGroupsAtOnce blocks, x of R rows, x_stride, sums of R rows)
//   few<M>(block, x of M rows, x_stride, sums of M rows)

constexpr int64_t kTileCols = kGroupsAtOnce * kGroupRows;

// The loops are written so that the compiler vectorises them: the largest magnitude is compared as
// whole numbers, and adding 1.5 · 2^23 rounds to nearest even.
void quantise_rows(const QuantiseRowsArgs& a) {
  constexpr float kRound = 12582912.0f;
  const int64_t blocks = (a.depth + kBlockDepth - 1) / kBlockDepth;
  for (int64_t r = 0; r < a.rows; ++r) {
    for (int64_t b = 0; b < blocks; ++b) {
      const float* from = a.x + r * a.row_stride + b * kBlockDepth;
      const int64_t left = a.depth - b * kBlockDepth;
      float padded[kBlockDepth];
      if (left < kBlockDepth) {
        for (int64_t i = 0; i < kBlockDepth; ++i) padded[i] = i < left ? from[i] : 0.0f;
        from = padded;
      }
      int32_t largest = 0;
      for (int64_t i = 0; i < kBlockDepth; ++i) {
        int32_t bits;
        __builtin_memcpy(&bits, from + i, 4);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
      }
      float magnitude;
      __builtin_memcpy(&magnitude, &largest, 4);
      QuantisedColumns& to = a.out[r * blocks + b];
      to.scale = magnitude / 127.0f;
      const float inverse = magnitude > 0 ? 127.0f / magnitude : 0.0f;
      for (int64_t s = 0; s < kSubBlocks; ++s) {
        int32_t sum = 0;
        for (int64_t i = s * kSubDepth; i < (s + 1) * kSubDepth; ++i) {
          const float shifted = from[i] * inverse + kRound;
          int32_t bits;
          __builtin_memcpy(&bits, &shifted, 4);
          const auto q = static_cast<int8_t>(bits - 0x4b400000);
          to.q[i] = q;
          sum += q;
        }
        to.sums[s] = static_cast<int16_t>(sum);
      }
    }
  }
}

// Of all formats: sums [m][kTileCols] of one or more groups to y.
inline void store_sums(const QuantisedProductArgs& a, int64_t first, const float* sums,
                       int64_t stride) {
  const int64_t count = a.rows - first < stride ? a.rows - first : stride;
  for (int64_t j = 0; j < a.m; ++j) {
    float* to = a.y + j * a.y_stride + first;
    for (int64_t r = 0; r < count; ++r)
      to[r] = sums[j * stride + r] + (a.bias != nullptr ? a.bias[first + r] : 0.0f);
  }
}

template <class Block>
struct Unpacked;

template <class Block, int M>
void multiply_few(const QuantisedProductArgs& a);

template <class Block, int R>
inline void tile_for(int64_t rows, const Unpacked<Block>* w, const QuantisedColumns* x,
                    int64_t x_stride, float* sums) {
  if constexpr (R > 1) {
    if (rows < R) return tile_for<Block, R - 1>(rows, w, x, x_stride, sums);
  }
  tile<R>(w, x, x_stride, sums);
}

template <class Block>
void multiply(const QuantisedProductArgs& a) {
  if (a.m <= kFewRows) {
    if (a.m == 1) return multiply_few<Block, 1>(a);
    if (kFewRows >= 2 && a.m == 2) return multiply_few<Block, 2>(a);
    if (kFewRows >= 3 && a.m == 3) return multiply_few<Block, 3>(a);
    if (kFewRows >= 4 && a.m == 4) return multiply_few<Block, 4>(a);
  }
  const Block* blocks = static_cast<const Block*>(a.blocks);
  alignas(64) Unpacked<Block> unpacked[kGroupsAtOnce];
  alignas(64) float sums[kQuantisedMostRows * kTileCols];
  for (int64_t g = 0; g < a.groups; g += kGroupsAtOnce) {
    for (int64_t i = 0; i < a.m * kTileCols; ++i) sums[i] = 0;
    for (int64_t b = 0; b < a.depth_blocks; ++b) {
      for (int64_t i = 0; i < kGroupsAtOnce; ++i) {
        // Behind the last group of an odd number the one before it stands in, and is not stored.
        const int64_t group = g + i < a.groups ? g + i : g;
        unpack(blocks[group * a.depth_blocks + b], unpacked[i]);
      }
      for (int64_t j = 0; j < a.m; j += kTileRows)
        tile_for<Block, kTileRows>(a.m - j, unpacked, a.x + j * a.depth_blocks + b, a.depth_blocks,
                                  sums + j * kTileCols);
    }
    store_sums(a, g * kGroupRows, sums, kTileCols);
  }
}

template <class Block, int M>
void multiply_few(const QuantisedProductArgs& a) {
  const Block* block = static_cast<const Block*>(a.blocks);
  for (int64_t g = 0; g < a.groups; ++g) {
    alignas(64) float sums[M * kGroupRows] = {};
    for (int64_t b = 0; b < a.depth_blocks; ++b, ++block)
      few<M>(*block, a.x + b, a.depth_blocks, sums);
    store_sums(a, g * kGroupRows, sums, kGroupRows);
  }
}

// Four columns of a row at a time, which is how they lie.
void dequantise_q4(const DequantiseArgs& a) {
  const Q4Block& w = *static_cast<const Q4Block*>(a.block);
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    float scale[kGroupRows], min[kGroupRows];
    for (int64_t r = 0; r < kGroupRows; ++r) {
      scale[r] = half_to_float(w.d[r]) * static_cast<float>(w.scale[s][r]);
      min[r] = half_to_float(w.dmin[r]) * static_cast<float>(w.min[s][r]);
    }
    for (int64_t k = 0; k < kSubQuads; ++k) {
      const uint8_t* q = w.q[s / 2][k];
      for (int64_t r = 0; r < kGroupRows; ++r) {
        float* to = a.out + r * a.row_stride + s * kSubDepth + 4 * k;
        for (int64_t c = 0; c < 4; ++c) {
          const int both = q[4 * r + c], value = s % 2 != 0 ? both >> 4 : both & 15;
          to[c] = static_cast<float>(value) * scale[r] - min[r];
        }
      }
    }
  }
}

void dequantise_q8(const DequantiseArgs& a) {
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
