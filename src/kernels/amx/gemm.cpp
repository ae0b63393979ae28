// float32 products on tiles of bfloat16. Compiled with AMX_TILE, AMX_BF16 and AVX-512 F, BW, DQ and VL.
//
// A float is the exact sum of three bfloat16, a float16 of two. Of their nine products those of less than 2^-24 of the
// whole are left out, the others are summed in float32: the error is that of a float32 product, at the rate of a
// bfloat16 one by three to six. Infinity is no such sum; who packs it is told.             Henry, Tang & Heinecke 2019
#include <immintrin.h>

#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

// Each file uses the ones before it.
// clang-format off
#include "kernels/avx512/vec.h"
#include "kernels/body/elements.h"
#include "kernels/amx/tiles.h"
// clang-format on

// Two by two tiles of sums. A tile of a packed operand is 16 rows, or columns, by a step of 32 elements of depth; columns
// have pairs of elements side by side.
constexpr int64_t kPanel = 2 * kRowsOfTile, kStep = 32, kTileElements = kRowsOfTile * kStep;

// ---- packing. A panel holds step after step, a step its parts, greatest first, a part two tiles.

constexpr int64_t kPart = 2 * kTileElements;

// Where the greatest part of the tile of this row, or column, begins.
inline int64_t tile_at(int64_t first, int64_t step, int64_t steps, int64_t parts) {
  return (first / kPanel * steps + step) * parts * kPart + first % kPanel / kRowsOfTile * kTileElements;
}

template <class Element>
constexpr int kParts = 1;
template <>
constexpr int kParts<F16> = 2;
template <>
constexpr int kParts<F32> = 3;

// 32 floats as the parts of their sum.
template <int P>
inline void split(V low, V high, V (&parts)[P]) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  const __m512i odd_words =
      _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19, 17, 15,
                       13, 11, 9, 7, 5, 3, 1);
  const auto rest = [&](V v) { return v - (V)_mm512_and_si512((__m512i)v, upper); };
#pragma GCC unroll 3
  for (int p = 0; p < P; ++p) {
    parts[p] = (V)_mm512_permutex2var_epi16((__m512i)low, odd_words, (__m512i)high);
    if (p + 1 == P) break;
    low = rest(low);
    high = rest(high);
  }
}

inline __mmask16 not_finite(V low, V high) {
  constexpr int kInfinitiesAndNaN = 0x99;
  return _mm512_fpclass_ps_mask(low, kInfinitiesAndNaN) | _mm512_fpclass_ps_mask(high, kInfinitiesAndNaN);
}

// Up to 16 elements, of which there may be none.
template <class Element>
inline V load_some(const char* p, int64_t n) {
  return n >= kWidth ? Element::load(p) : n > 0 ? Element::load_n(p, n) : V{};
}

inline void store_words(float* out, int64_t element, V words) {
  store(reinterpret_cast<uint16_t*>(out) + element, words);
}

// A row of a tile of A is a row of x.
void pack_rows(const PackRowsArgs& a) {
  const int64_t steps = (a.depth + kStep - 1) / kStep, rows = (a.rows + kPanel - 1) / kPanel * kPanel;
  __mmask16 bad = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t s = 0; s < steps; ++s) {
      const char* x = reinterpret_cast<const char*>(a.x + r * a.row_stride + s * kStep);
      const int64_t left = r < a.rows ? a.depth - s * kStep : 0;
      V parts[kParts<F32>];
      const V low = load_some<F32>(x, left), high = load_some<F32>(x + kWidth * F32::kBytes, left - kWidth);
      bad |= not_finite(low, high);
      split(low, high, parts);
      const int64_t at = tile_at(r, s, steps, kParts<F32>) + r % kRowsOfTile * kStep;
      for (int p = 0; p < kParts<F32>; ++p) store_words(a.out, at + p * kPart, parts[p]);
    }
  if (bad != 0 && a.not_finite != nullptr) *a.not_finite = true;
}

// 16 columns by a step, parts_of(column, parts of 32 elements), to a tile of each part.
template <int P, class Parts>
inline void pack_tile(float* out, int64_t at, const Parts& parts_of) {
  V rows[P][kWidth];
  for (int c = 0; c < 16; ++c) {
    V parts[P];
    parts_of(c, parts);
    for (int p = 0; p < P; ++p) rows[p][c] = parts[p];
  }
  for (int p = 0; p < P; ++p) {
    transpose(rows[p]);
    for (int i = 0; i < 16; ++i) store_words(out, at + p * kPart + i * kStep, rows[p][i]);
  }
}

template <class Element>
void pack_columns(const PackColumnsArgs& a) {
  const int64_t steps = (a.depth + kStep - 1) / kStep;
  __mmask16 bad = 0;
  for (int64_t first = 0; first < a.cols; first += kRowsOfTile)
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t at = tile_at(first, s, steps, kParts<Element>);
      pack_tile<kParts<Element>>(a.out, at, [&](int64_t c, V(&parts)[kParts<Element>]) {
        const char* from = static_cast<const char*>(a.w) + ((first + c) * a.row_stride + s * kStep) * Element::kBytes;
        const int64_t left = first + c < a.cols ? a.depth - s * kStep : 0;
        const V low = load_some<Element>(from, left);
        const V high = load_some<Element>(from + kWidth * Element::kBytes, left - kWidth);
        bad |= not_finite(low, high);
        split(low, high, parts);
      });
    }
  if (bad != 0 && a.not_finite != nullptr) *a.not_finite = true;
  // The last panel's second tile.
  const int64_t behind = (a.cols + kRowsOfTile - 1) / kRowsOfTile * kRowsOfTile;
  for (int64_t s = 0; s < steps && behind % kPanel != 0; ++s)
    for (int64_t p = 0; p < kParts<Element>; ++p)
      for (int64_t i = 0; i < 16; ++i)
        store_words(a.out, tile_at(behind, s, steps, kParts<Element>) + p * kPart + i * kStep, V{});
}

// Rows of depth: pairs of them are woven into each other.
template <class Element>
void pack_by_depth(const PackColumnsArgs& a) {
  const int64_t steps = (a.depth + kStep - 1) / kStep, cols = (a.cols + kPanel - 1) / kPanel * kPanel;
  __mmask16 bad = 0;
  const __m512i woven = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (int64_t first = 0; first < cols; first += kRowsOfTile)
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t at = tile_at(first, s, steps, kParts<Element>);
      for (int64_t i = 0; i < 16; ++i) {
        const int64_t k = s * kStep + 2 * i;
        const char* from = static_cast<const char*>(a.w) + (k * a.row_stride + first) * Element::kBytes;
        V parts[kParts<Element>];
        const V low = load_some<Element>(from, k < a.depth ? a.cols - first : 0);
        const V high = load_some<Element>(from + a.row_stride * Element::kBytes, k + 1 < a.depth ? a.cols - first : 0);
        bad |= not_finite(low, high);
        split(low, high, parts);
        for (int p = 0; p < kParts<Element>; ++p)
          store_words(a.out, at + p * kPart + i * kStep, (V)_mm512_permutexvar_epi16(woven, (__m512i)parts[p]));
      }
    }
  if (bad != 0 && a.not_finite != nullptr) *a.not_finite = true;
}

// ---- products. Tiles 0 to 3: sums, 4 and 5: A, 6 and 7: B.

using Part = const uint16_t*;

inline void load_rows(Part a) {
  _tile_loadd(4, a, kTileBytes);
  _tile_loadd(5, a + kTileElements, kTileBytes);
}
inline void load_columns(Part b) {
  _tile_loadd(6, b, kTileBytes);
  _tile_loadd(7, b + kTileElements, kTileBytes);
}
inline void multiply() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// Every pair of parts that counts, so that few tiles are loaded twice. P: parts of B.
template <int P>
inline void multiply_step(Part a, Part b) {
  if constexpr (P == 3) {
    load_rows(a);
    load_columns(b + 2 * kPart);
    multiply();
  }
  if constexpr (P >= 2) {
    load_columns(b + kPart);
    if constexpr (P == 2) load_rows(a);
    multiply();
    load_rows(a + kPart);
    multiply();
    load_columns(b);
    multiply();
  } else {
    load_columns(b);
    load_rows(a + kPart);
    multiply();
  }
  load_rows(a + 2 * kPart);
  multiply();
  load_rows(a);
  multiply();
}

constexpr int64_t kSums = kPanel * kPanel;

inline void load_sums(const float* from) {
  _tile_loadd(0, from, kTileBytes);
  _tile_loadd(1, from + kSums / 4, kTileBytes);
  _tile_loadd(2, from + kSums / 2, kTileBytes);
  _tile_loadd(3, from + kSums / 4 * 3, kTileBytes);
}
inline void store_sums(float* to) {
  _tile_stored(0, to, kTileBytes);
  _tile_stored(1, to + kSums / 4, kTileBytes);
  _tile_stored(2, to + kSums / 2, kTileBytes);
  _tile_stored(3, to + kSums / 4 * 3, kTileBytes);
}

inline void finish(const GemmBlockArgs& g, int64_t row, int64_t col, const float* sums) {
  for (int64_t half = 0; half < 2; ++half) {
    const int64_t at = col + half * kRowsOfTile;
    const int64_t there = g.cols - at < kRowsOfTile ? g.cols - at : kRowsOfTile;
    if (there <= 0) break;
    const V bias = g.bias != nullptr ? load_some<F32>(reinterpret_cast<const char*>(g.bias + at), there) : V{};
    for (int64_t r = 0; r < kPanel && row + r < g.rows; ++r) {
      const float* from = sums + (2 * (r / kRowsOfTile) + half) * kSums / 4 + r % kRowsOfTile * kRowsOfTile;
      store_n(g.c + (row + r) * g.c_stride + at, load(from) + bias, there);
    }
  }
}

// Row panels outside, so that one panel of A stays in the first-level cache while B, which has fewer parts, streams from
// the second.
template <int P>
void block(const GemmBlockArgs& g) {
  const Tiles tiles;
  constexpr int64_t kRowElements = kParts<F32> * kPart, kColumnElements = P * kPart;
  float* sums = g.sums;
  for (int64_t r = 0; r < g.rows; r += kPanel) {
    const Part a = reinterpret_cast<Part>(g.a) + r / kPanel * g.depth * kRowElements;
    for (int64_t n = 0; n < g.cols; n += kPanel, sums += kSums) {
      const Part b = reinterpret_cast<Part>(g.b + n / kPanel * g.b_panel_stride);
      asm volatile("" : : : "memory");  // the compiler does not know what a tile reads
      if (g.accumulate) {
        load_sums(sums);
      } else {
        zero_sums();
      }
      for (int64_t s = 0; s < g.depth; ++s) multiply_step<P>(a + s * kRowElements, b + s * kColumnElements);
      store_sums(sums);
      asm volatile("" : : : "memory");
      if (g.last) finish(g, r, n, sums);
    }
  }
}

// A panel of A and one of B are 40 KB at 128 elements of depth: the first-level cache has 48.
template <class Element>
constexpr PackedGemm of(void (*pack_columns)(const PackColumnsArgs&)) {
  constexpr int64_t kWords = kStep / 2, kDepth = 128;
  return {kPanel,       kPanel, kStep,     kParts<F32> * kWords, kParts<Element> * kWords,
          kDepth,       true,   pack_rows, pack_columns,         block<kParts<Element>>};
}

}  // namespace

const TileGemm kAmxGemm = {of<F32>(pack_columns<F32>),   of<F16>(pack_columns<F16>),   of<Bf16>(pack_columns<Bf16>),
                           of<F32>(pack_by_depth<F32>), of<F16>(pack_by_depth<F16>), of<Bf16>(pack_by_depth<Bf16>)};

}  // namespace isthmus::kernels
