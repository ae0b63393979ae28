// float32 products on tiles of bfloat16. Compiled with AMX_TILE, AMX_BF16 and AVX-512 F, BW, DQ and VL.
//
// A float is the exact sum of three bfloat16, a float16 of two. Of their nine products those of less than 2^-24 of the
// whole are left out, the others are summed in float32: the error is that of a float32 product, at the rate of a
// bfloat16 one by three to six. Infinity is no such sum; who packs it is told.             Henry, Tang & Heinecke 2019
#include <immintrin.h>

#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

#include "kernels/amx/tiles.h"

// Two by two tiles of sums. A tile of a packed operand is 16 rows, or columns, by a step of 32 elements of depth; columns
// have pairs of elements side by side.
constexpr int64_t kPanel = 2 * kTileRows, kStep = 32, kTileElements = kTileRows * kStep;

// ---- packing. A panel holds step after step, a step its parts, greatest first, a part two tiles.

constexpr int64_t kPart = 2 * kTileElements;

// Where the greatest part of the tile of this row, or column, begins.
inline int64_t tile_at(int64_t first, int64_t step, int64_t steps, int64_t parts) {
  return (first / kPanel * steps + step) * parts * kPart + first % kPanel / kTileRows * kTileElements;
}

// 32 floats as the parts of their sum.
template <int P>
inline void split(__m512 low, __m512 high, __m512i (&parts)[P]) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  const __m512i odd_words =
      _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19, 17, 15,
                       13, 11, 9, 7, 5, 3, 1);
#pragma GCC unroll 3
  for (int p = 0; p < P; ++p) {
    parts[p] = _mm512_permutex2var_epi16(_mm512_castps_si512(low), odd_words, _mm512_castps_si512(high));
    if (p + 1 == P) break;
    low = _mm512_sub_ps(low, _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(low), upper)));
    high = _mm512_sub_ps(high, _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(high), upper)));
  }
}

inline __mmask16 not_finite(__m512 low, __m512 high) {
  constexpr int kInfinitiesAndNaN = 0x99;
  return _mm512_fpclass_ps_mask(low, kInfinitiesAndNaN) | _mm512_fpclass_ps_mask(high, kInfinitiesAndNaN);
}

inline __mmask16 lanes(int64_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1); }

struct F32 {
  static constexpr int kParts = 3, kBytes = 4;
  static __m512 load(const void* p, int64_t n) { return _mm512_maskz_loadu_ps(lanes(n), p); }
};
struct F16 {
  static constexpr int kParts = 2, kBytes = 2;
  static __m512 load(const void* p, int64_t n) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes(n), p)); }
};
struct BF16 {
  static constexpr int kParts = 1, kBytes = 2;
  static __m512 load(const void* p, int64_t n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes(n), p)), 16));
  }
};

inline void store_words(float* out, int64_t element, __m512i words) {
  _mm512_storeu_si512(reinterpret_cast<uint16_t*>(out) + element, words);
}

// A row of a tile of A is a row of x.
void pack_rows(const PackRowsArgs& a) {
  const int64_t steps = (a.depth + kStep - 1) / kStep, rows = (a.rows + kPanel - 1) / kPanel * kPanel;
  __mmask16 bad = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t s = 0; s < steps; ++s) {
      const float* x = a.x + r * a.row_stride + s * kStep;
      const int64_t left = r < a.rows ? a.depth - s * kStep : 0;
      __m512i parts[F32::kParts];
      const __m512 low = F32::load(x, left), high = F32::load(x + 16, left - 16);
      bad |= not_finite(low, high);
      split(low, high, parts);
      const int64_t at = tile_at(r, s, steps, F32::kParts) + r % kTileRows * kStep;
      for (int p = 0; p < F32::kParts; ++p) store_words(a.out, at + p * kPart, parts[p]);
    }
  if (bad != 0 && a.not_finite != nullptr) *a.not_finite = true;
}

// Lane i of row j becomes lane j of row i.
inline void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + 2 + j]);
      r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + 2 + j]);
    }
  // r[4 b + i], lane l of 128 bits: column 4 l + i of rows 4 b … 4 b + 3.
  for (int i = 0; i < 4; ++i) {
    const __m512i a = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88), b = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd), d = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    t[i] = _mm512_shuffle_i32x4(a, b, 0x88);
    t[i + 8] = _mm512_shuffle_i32x4(a, b, 0xdd);
    t[i + 4] = _mm512_shuffle_i32x4(c, d, 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(c, d, 0xdd);
  }
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// 16 columns by a step, from(column, element, parts of 32 elements), to a tile of each part.
template <int P, class Parts>
inline void pack_tile(float* out, int64_t at, const Parts& parts_of) {
  __m512i rows[P][16];
  for (int c = 0; c < 16; ++c) {
    __m512i parts[P];
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
  for (int64_t first = 0; first < a.cols; first += kTileRows)
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t at = tile_at(first, s, steps, Element::kParts);
      pack_tile<Element::kParts>(a.out, at, [&](int64_t c, __m512i(&parts)[Element::kParts]) {
        const char* from = static_cast<const char*>(a.w) + ((first + c) * a.row_stride + s * kStep) * Element::kBytes;
        const int64_t left = first + c < a.cols ? a.depth - s * kStep : 0;
        const __m512 low = Element::load(from, left), high = Element::load(from + 16 * Element::kBytes, left - 16);
        bad |= not_finite(low, high);
        split(low, high, parts);
      });
    }
  if (bad != 0 && a.not_finite != nullptr) *a.not_finite = true;
  // The last panel's second tile.
  const int64_t behind = (a.cols + kTileRows - 1) / kTileRows * kTileRows;
  for (int64_t s = 0; s < steps && behind % kPanel != 0; ++s)
    for (int64_t p = 0; p < Element::kParts; ++p)
      for (int64_t i = 0; i < 16; ++i)
        store_words(a.out, tile_at(behind, s, steps, Element::kParts) + p * kPart + i * kStep, _mm512_setzero_si512());
}

// Rows of depth: pairs of them are woven into each other.
template <class Element>
void pack_by_depth(const PackColumnsArgs& a) {
  const int64_t steps = (a.depth + kStep - 1) / kStep, cols = (a.cols + kPanel - 1) / kPanel * kPanel;
  __mmask16 bad = 0;
  const __m512i woven = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (int64_t first = 0; first < cols; first += kTileRows)
    for (int64_t s = 0; s < steps; ++s) {
      const int64_t at = tile_at(first, s, steps, Element::kParts);
      for (int64_t i = 0; i < 16; ++i) {
        const int64_t k = s * kStep + 2 * i;
        const char* from = static_cast<const char*>(a.w) + (k * a.row_stride + first) * Element::kBytes;
        __m512i parts[Element::kParts];
        const __m512 low = Element::load(from, k < a.depth ? a.cols - first : 0);
        const __m512 high = Element::load(from + a.row_stride * Element::kBytes, k + 1 < a.depth ? a.cols - first : 0);
        bad |= not_finite(low, high);
        split(low, high, parts);
        for (int p = 0; p < Element::kParts; ++p)
          store_words(a.out, at + p * kPart + i * kStep, _mm512_permutexvar_epi16(woven, parts[p]));
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
    const int64_t at = col + half * kTileRows;
    const __mmask16 there = lanes(g.cols - at);
    const __m512 bias = g.bias != nullptr ? _mm512_maskz_loadu_ps(there, g.bias + at) : _mm512_setzero_ps();
    for (int64_t r = 0; r < kPanel && row + r < g.rows; ++r) {
      const float* from = sums + (2 * (r / kTileRows) + half) * kSums / 4 + r % kTileRows * kTileRows;
      _mm512_mask_storeu_ps(g.c + (row + r) * g.c_stride + at, there, _mm512_add_ps(_mm512_loadu_ps(from), bias));
    }
  }
}

// Row panels outside, so that one panel of A stays in the first-level cache while B, which has fewer parts, streams from
// the second.
template <int P>
void block(const GemmBlockArgs& g) {
  const Tiles tiles;
  constexpr int64_t kRowElements = F32::kParts * kPart, kColumnElements = P * kPart;
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
  return {kPanel,       kPanel, kStep,     F32::kParts * kWords, Element::kParts * kWords,
          kDepth,       true,   pack_rows, pack_columns,         block<Element::kParts>};
}

}  // namespace

const TileGemm kAmxGemm = {of<F32>(pack_columns<F32>),   of<F16>(pack_columns<F16>),   of<BF16>(pack_columns<BF16>),
                           of<F32>(pack_by_depth<F32>), of<F16>(pack_by_depth<F16>), of<BF16>(pack_by_depth<BF16>)};

}  // namespace isthmus::kernels
