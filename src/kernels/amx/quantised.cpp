// Products of many rows on tiles of bytes. Compiled with AMX_TILE, AMX_INT8 and AVX-512 F, BW, DQ, VL and VNNI.
#include <immintrin.h>

#include <type_traits>

#include "kernels/amx/products.h"

namespace isthmus::kernels {
namespace {

#include "kernels/amx/tiles.h"

// A tile holds 16 rows of 64 bytes. One multiplication takes 16 rows of x by 64 columns, and 64 columns by 16 rows of W
// in the order in which a block has them, and adds to 16 by 16 sums.
constexpr int64_t kTileDepth = 64, kSteps = kBlockDepth / kTileDepth;
// x of one depth block and the sums of so many rows and groups stay in the second-level cache.
constexpr int64_t kMostRows = 704, kMostGroups = 8, kFewestRows = 24;
// Rows of x come into the first cache once for the blocks of so many groups, which fit there with them. With fewer rows
// than kManyRows what counts is how blocks come from memory, and one at a time is better.
constexpr int64_t kGroupsAtOnce = 2, kManyRows = 128;

// Levels are multiplied by the scale of their columns while they are unpacked, so that all 256 columns of a block have
// one scale. What comes out has more than 8 bits and is kept as two bytes, high · 2^kShift + low: two multiplications,
// and sums are turned to floats once for 256 columns instead of once for 32. Exact for 4 to 6 bits, whose scales are
// whole numbers; 8 bits, whose scales are floats, are rounded to 15 bits of the largest scale of the 256 columns.

template <class Block>
constexpr bool kHasMins = std::is_same_v<Block, Q4Block> || std::is_same_v<Block, Q5Block>;  // else a sign
template <class Block>
constexpr int kShift = kHasMins<Block> ? 3 : 7;
template <class Block>
constexpr int kOffsetPairs = kHasMins<Block> ? kSubBlocks / 2 : 0;

template <class Block>
struct alignas(64) Planes {
  uint8_t high[kBlockDepth / 4][4 * kGroupRows], low[kBlockDepth / 4][4 * kGroupRows];
};

inline __m512 halves(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m512i widened(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m512i widened(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
// A scale in both words of its lane.
inline __m512i twice(__m512i lanes) {
  return _mm512_or_si512(_mm512_slli_epi32(lanes, 16), _mm512_and_si512(lanes, _mm512_set1_epi32(0xffff)));
}

template <int n>
inline __m512i shifted(__m512i v) {
  if constexpr (n >= 0) {
    return _mm512_slli_epi16(v, n);
  } else {
    return _mm512_srli_epi16(v, -n);
  }
}

// Levels of quad k of sub-block s.
template <int s, class Block>
inline __m512i levels(const Block& w, int k) {
  __m512i q = _mm512_load_si512(w.q[s / 2][k]);
  if constexpr (s % 2 == 1) q = _mm512_srli_epi16(q, 4);
  q = _mm512_and_si512(q, _mm512_set1_epi8(15));
  if constexpr (std::is_same_v<Block, Q5Block>)
    q = _mm512_ternarylogic_epi32(q, shifted<4 - s>(_mm512_load_si512(w.fifth[k])), _mm512_set1_epi8(16), 0xf8);
  if constexpr (std::is_same_v<Block, Q6Block>)
    q = _mm512_ternarylogic_epi32(q, shifted<4 - s % 4 * 2>(_mm512_load_si512(w.upper[s / 4][k])),
                                  _mm512_set1_epi8(48), 0xf8);
  return q;
}

// scale = 8 · upper + lower, both in 0 … 7: neither product leaves its byte, so that two are made at once.
template <int s, class Block>
inline void unpack_sub_block(const Block& w, Planes<Block>& to) {
  const __m512i scale = twice(widened(w.scale[s]));
  const __m512i upper = _mm512_srli_epi16(scale, 3), lower = _mm512_and_si512(scale, _mm512_set1_epi16(7));
  for (int k = 0; k < kSubQuads; ++k) {
    const __m512i q = levels<s>(w, k);
    _mm512_store_si512(to.high[s * kSubQuads + k], _mm512_mullo_epi16(q, upper));
    _mm512_store_si512(to.low[s * kSubQuads + k], _mm512_mullo_epi16(q, lower));
  }
}

// Words of two neighbours as high and low bytes.
template <class Block>
inline void store_words(__m512i even, __m512i odd, Planes<Block>& to, int k) {
  const __m512i low_bits = _mm512_set1_epi16(0x7f), low_byte = _mm512_set1_epi16(0xff);
  _mm512_store_si512(to.high[k], _mm512_ternarylogic_epi32(_mm512_slli_epi16(_mm512_srai_epi16(odd, 7), 8),
                                                           _mm512_srai_epi16(even, 7), low_byte, 0xf8));
  _mm512_store_si512(to.low[k], _mm512_or_si512(_mm512_slli_epi16(_mm512_and_si512(odd, low_bits), 8),
                                                _mm512_and_si512(even, low_bits)));
}

// Scales have 8 bits here and two belong to a sub-block.
template <int s>
inline void unpack_sub_block(const Q6Block& w, Planes<Q6Block>& to) {
  for (int half = 0; half < 2; ++half) {
    const __m512i scale = twice(widened(w.scale[2 * s + half]));
    for (int k = half * kSubQuads / 2; k < (half + 1) * kSubQuads / 2; ++k) {
      const __m512i q = _mm512_sub_epi8(levels<s>(w, k), _mm512_set1_epi8(kQ6Offset));
      const __m512i even = _mm512_mullo_epi16(_mm512_srai_epi16(_mm512_slli_epi16(q, 8), 8), scale);
      const __m512i odd = _mm512_mullo_epi16(_mm512_srai_epi16(q, 8), scale);
      store_words(even, odd, to, s * kSubQuads + k);
    }
  }
}

// The largest scale of the 256 columns; not finite if one is not.
inline __m512 largest_scale(const Q8Block& w) {
  __m512 largest = _mm512_setzero_ps(), sum = largest;
  for (int s = 0; s < kSubBlocks; ++s) {
    const __m512 d = halves(w.d[s]);
    largest = _mm512_max_ps(largest, _mm512_abs_ps(d));
    sum = _mm512_add_ps(sum, d);
  }
  return _mm512_fmadd_ps(sum, _mm512_setzero_ps(), largest);
}

template <class Block>
void unpack(const Block& w, Planes<Block>& to) {
  unpack_sub_block<0>(w, to);
  unpack_sub_block<1>(w, to);
  unpack_sub_block<2>(w, to);
  unpack_sub_block<3>(w, to);
  unpack_sub_block<4>(w, to);
  unpack_sub_block<5>(w, to);
  unpack_sub_block<6>(w, to);
  unpack_sub_block<7>(w, to);
}

// 2^7 · level · (scale / the largest scale).
void unpack(const Q8Block& w, Planes<Q8Block>& to) {
  const __m512 largest = largest_scale(w);
  const __mmask16 some = _mm512_cmp_ps_mask(largest, _mm512_setzero_ps(), _CMP_GT_OQ);
  const __m512 to_share = _mm512_maskz_div_ps(some, _mm512_set1_ps(32767.0f), largest);
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(kQ8Offset)), upper = _mm512_set1_epi16(-256);
  for (int s = 0; s < kSubBlocks; ++s) {
    const __m512i share = twice(_mm512_cvtps_epi32(_mm512_mul_ps(halves(w.d[s]), to_share)));
    for (int k = 0; k < kSubQuads; ++k) {
      const __m512i q = _mm512_xor_si512(_mm512_load_si512(w.q[s][k]), offset);
      const __m512i even = _mm512_mulhrs_epi16(_mm512_srai_epi16(_mm512_slli_epi16(q, 8), 1), share);
      const __m512i odd = _mm512_mulhrs_epi16(_mm512_srai_epi16(_mm512_and_si512(q, upper), 1), share);
      store_words(even, odd, to, s * kSubQuads + k);
    }
  }
}

// The sums of up to two tiles of rows, as the tiles leave them.
struct alignas(64) TileSums {
  int32_t high[2 * kRowsOfTile][kGroupRows], low[2 * kRowsOfTile][kGroupRows];
};

// What turns the sums of a block to floats.
template <class Block>
struct Factors {
  __m512 d, dmin;
  __m512i mins[kSubBlocks / 2];
};

// Sums of all rows of x by a group, and what they were before: themselves, or one row for all, where they begin.
struct Sums {
  float* to;  // [rows][kGroupRows]
  const float* before;
  int64_t before_stride;
};

// A pair of tiles of rows of x, the block that they meet, and where their products are added.
template <class Block>
struct Place {
  const QuantisedColumns* x;
  const Planes<Block>* w;
  const Factors<Block>* factors;
  Sums sums;
  int64_t rows;
  const Block* ahead;  // what is asked for from memory meanwhile, or null
};

// What one unit of the products is worth.
template <class Block>
inline __m512 scale_of(const Block& w) {
  return halves(w.d);
}
inline __m512 scale_of(const Q8Block& w) {
  return _mm512_mul_ps(largest_scale(w), _mm512_set1_ps(1.0f / 128));
}

template <class Block>
inline Factors<Block> factors_of(const Block& w) {
  Factors<Block> f{scale_of(w), {}, {}};
  if constexpr (kOffsetPairs<Block> > 0) {
    f.dmin = halves(w.dmin);
    for (int i = 0; i < kOffsetPairs<Block>; ++i)
      f.mins[i] = _mm512_or_si512(widened(w.min[2 * i]), _mm512_slli_epi32(widened(w.min[2 * i + 1]), 16));
  }
  return f;
}

template <class Block>
inline void finish_row(const Factors<Block>& w, const TileSums& from, const Place<Block>& at, int64_t r) {
  const QuantisedColumns& x = at.x[r];
  const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(from.high[r]), kShift<Block>),
                                       _mm512_load_si512(from.low[r]));
  __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), w.d);
  if constexpr (kOffsetPairs<Block> > 0) {
    const auto* pairs = reinterpret_cast<const int32_t*>(x.sums);
    __m512i off = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int i = 0; i < kOffsetPairs<Block>; ++i)
      off = _mm512_dpwssd_epi32(off, w.mins[i], _mm512_set1_epi32(pairs[i]));
    value = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(off), w.dmin, value);
  }
  const __m512 before = _mm512_load_ps(at.sums.before + r * at.sums.before_stride);
  _mm512_store_ps(at.sums.to + r * kGroupRows, _mm512_fmadd_ps(value, _mm512_set1_ps(x.scale), before));
}

#include "kernels/body/prefetch.h"

// 64 columns. Tiles 0 and 1: high sums of two tiles of rows, 2 and 3: low, 4 and 5: x, 6 and 7: high and low of W.
template <int T, class Block>
inline void multiply_step(const Place<Block>& at, int64_t step) {
  const Planes<Block>& w = *at.w;
  const QuantisedColumns* x = at.x;
  if (at.ahead != nullptr) prefetch_part(at.ahead, step, kSteps);
  _tile_loadd(6, w.high[16 * step], kTileBytes);
  _tile_loadd(7, w.low[16 * step], kTileBytes);
  _tile_loadd(4, x->q + kTileDepth * step, sizeof *x);
  if constexpr (!kHasMins<Block>) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbsud(2, 4, 7);
    if constexpr (T == 2) {
      _tile_loadd(5, x[kRowsOfTile].q + kTileDepth * step, sizeof *x);
      _tile_dpbssd(1, 5, 6);
      _tile_dpbsud(3, 5, 7);
    }
  } else {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(2, 4, 7);
    if constexpr (T == 2) {
      _tile_loadd(5, x[kRowsOfTile].q + kTileDepth * step, sizeof *x);
      _tile_dpbsud(1, 5, 6);
      _tile_dpbsud(3, 5, 7);
    }
  }
}

inline void store_tiles(TileSums& to) {
  _tile_stored(0, to.high[0], kTileBytes);
  _tile_stored(2, to.low[0], kTileBytes);
  _tile_stored(1, to.high[kRowsOfTile], kTileBytes);
  _tile_stored(3, to.low[kRowsOfTile], kTileBytes);
}

// Multiplies the rows at `next`, and meanwhile finishes those at `done`.
template <int T, class Block>
inline void multiply_tiles(const Place<Block>& next, TileSums& to, const Place<Block>& done, const TileSums& from) {
  zero_sums();
  const Factors<Block> f = *done.factors;
  constexpr int64_t kShare = 2 * kRowsOfTile / kSteps;
  for (int64_t step = 0; step < kSteps; ++step) {
    multiply_step<T>(next, step);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kShare; ++r) finish_row(f, from, done, step * kShare + r);
  }
  store_tiles(to);
}

template <int T, class Block>
inline void multiply_tiles(const Place<Block>& next, TileSums& to) {
  zero_sums();
  for (int64_t step = 0; step < kSteps; ++step) multiply_step<T>(next, step);
  store_tiles(to);
}

template <class Block>
inline void finish(const Place<Block>& done, const TileSums& from) {
  const Factors<Block> f = *done.factors;
  for (int64_t r = 0; r < done.rows; ++r) finish_row(f, from, done, r);
}

// Blocks of `count` groups by m rows of x. `tail`: the rows behind the last whole tile, and anything behind them.
template <class Block>
void multiply_blocks(const Block* const* blocks, const Planes<Block>* w, int64_t count, const QuantisedColumns* x,
                     const QuantisedColumns* tail, int64_t m, const Sums* sums) {
  Factors<Block> factors[kGroupsAtOnce];
  for (int64_t g = 0; g < count; ++g) factors[g] = factors_of(*blocks[g]);
  TileSums results[2];
  int64_t turn = 0, j = 0;
  const int64_t whole = m / kRowsOfTile * kRowsOfTile;
  Place<Block> last{x, w, factors, sums[0], 0, nullptr};
  const auto from_row = [](const Sums& all, int64_t row) {
    return Sums{all.to + row * kGroupRows, all.before + row * all.before_stride, all.before_stride};
  };
  const auto take = [&]<int T>(const QuantisedColumns* rows_of_x, int64_t rows) {
    for (int64_t g = 0; g < count; ++g) {
      const Place<Block> next{rows_of_x, w + g, factors + g, from_row(sums[g], j), rows,
                              j == 0 ? blocks[g] + 1 : nullptr};
      if (last.rows == 2 * kRowsOfTile) {
        multiply_tiles<T>(next, results[turn], last, results[1 - turn]);
      } else {
        finish(last, results[1 - turn]);
        multiply_tiles<T>(next, results[turn]);
      }
      last = next;
      turn = 1 - turn;
    }
  };
  for (; j + 2 * kRowsOfTile <= whole; j += 2 * kRowsOfTile) take.template operator()<2>(x + j, 2 * kRowsOfTile);
  for (; j < m; j += kRowsOfTile)
    take.template operator()<1>(j < whole ? x + j : tail, m - j < kRowsOfTile ? m - j : kRowsOfTile);
  finish(last, results[1 - turn]);
}

// ---- all

// Which of a group's rows of W there are.
inline __mmask16 lanes_of(const QuantisedProductArgs& a, int64_t group) {
  const int64_t left = a.rows - group * kGroupRows;
  return static_cast<__mmask16>(left >= kGroupRows ? 0xffff : (1 << left) - 1);
}

// Row by row, all groups of it: rows of y lie in pages of their own, which take longer to find than to write.
inline void store_sums(const QuantisedProductArgs& a, int64_t first_group, int64_t count,
                       const float (*sums)[kMostRows * kGroupRows]) {
  for (int64_t j = 0; j < a.m; ++j)
    for (int64_t g = 0; g < count; ++g)
      _mm512_mask_storeu_ps(a.y + j * a.y_stride + (first_group + g) * kGroupRows, lanes_of(a, first_group + g),
                            _mm512_load_ps(sums[g] + j * kGroupRows));
}

template <class Block>
void multiply_groups(const QuantisedProductArgs& a, int64_t first, int64_t count) {
  const Block* blocks = static_cast<const Block*>(a.blocks) + first * a.depth_blocks;
  alignas(64) float sums[kMostGroups][kMostRows * kGroupRows];
  alignas(64) Planes<Block> planes[kGroupsAtOnce];
  alignas(64) QuantisedColumns tail[kRowsOfTile] = {};
  alignas(64) float bias[kMostGroups][kGroupRows] = {};
  if (a.bias != nullptr)
    for (int64_t g = 0; g < count; ++g)
      _mm512_store_ps(bias[g], _mm512_maskz_loadu_ps(lanes_of(a, first + g), a.bias + (first + g) * kGroupRows));
  for (int64_t b = 0; b < a.depth_blocks; ++b) {
    const QuantisedColumns* x = a.x + b * a.x_stride;
    const int64_t whole = a.m / kRowsOfTile * kRowsOfTile;
    for (int64_t j = whole; j < a.m; ++j) tail[j - whole] = x[j];
    const int64_t most_at_once = a.m < kManyRows ? 1 : kGroupsAtOnce;
    for (int64_t g = 0; g < count; g += most_at_once) {
      const int64_t at_once = count - g < most_at_once ? count - g : most_at_once;
      const Block* of_groups[kGroupsAtOnce];
      Sums sums_of_groups[kGroupsAtOnce];
      for (int64_t i = 0; i < at_once; ++i) {
        of_groups[i] = blocks + (g + i) * a.depth_blocks + b;
        sums_of_groups[i] = b == 0 ? Sums{sums[g + i], bias[g + i], 0} : Sums{sums[g + i], sums[g + i], kGroupRows};
        unpack(*of_groups[i], planes[i]);
      }
      asm volatile("" : : : "memory");  // the compiler does not know what a tile reads
      multiply_blocks(of_groups, planes, at_once, x, tail, a.m, sums_of_groups);
    }
  }
  store_sums(a, first, count, sums);
}

template <class Block>
void multiply(const QuantisedProductArgs& a) {
  const Tiles tiles;
  for (int64_t g = 0; g < a.groups; g += kMostGroups)
    multiply_groups<Block>(a, g, a.groups - g < kMostGroups ? a.groups - g : kMostGroups);
}

int64_t peak(const PeakArgs& a) {
  const Tiles tiles;
  alignas(64) int8_t bytes[kRowsOfTile * kTileBytes];
  for (int8_t& byte : bytes) byte = static_cast<int8_t>(a.values[1]);
  zero_sums();
  _tile_loadd(4, bytes, kTileBytes);
  _tile_loadd(5, bytes, kTileBytes);
  _tile_loadd(6, bytes, kTileBytes);
  _tile_loadd(7, bytes, kTileBytes);
  for (int64_t round = 0; round < a.rounds; ++round) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 5, 6);
    _tile_dpbsud(2, 4, 7);
    _tile_dpbsud(3, 5, 7);
  }
  alignas(64) int32_t sums[kRowsOfTile * kGroupRows];
  _tile_stored(0, sums, kTileBytes);
  a.values[0] = static_cast<float>(sums[0]);
  return a.rounds * 4 * kRowsOfTile * kGroupRows * kTileDepth * 2;
}

}  // namespace

const AmxProducts kAmxProducts = {kMostRows,
                                  kRowsOfTile,
                                  kMostGroups,
                                  kFewestRows,
                                  multiply<Q4Block>,
                                  multiply<Q5Block>,
                                  multiply<Q6Block>,
                                  multiply<Q8Block>,
                                  peak};

}  // namespace isthmus::kernels
