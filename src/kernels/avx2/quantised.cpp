// Compiled with -mavx2 -mfma -mf16c. A 32-bit lane of a register is a row of W, eight to one.
//
// 8-bit products come in pairs of 16 bits. Of 4-bit weights eight pairs fit into 16 bits (8 · 2 · 15
// · 127 = 30480), of 5 bits four, of 6 bits two, and one multiplication by the scale widens them; of
// 8-bit weights none do.
#include <immintrin.h>

#include <type_traits>

#include "kernels/quantised.h"
#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

// Three rows of x by two registers: with their totals and factors they are what sixteen registers
// hold.
constexpr int kTileRows = 3, kGroupsAtOnce = 1, kFewRows = 2;

inline float half_to_float(uint16_t half) { return _cvtsh_ss(half); }
inline uint16_t float_to_half(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#include "kernels/body/quantised.h"
#include "kernels/body/round_columns_256.h"
#include "kernels/body/quantise_weights.h"

inline __m256i load_bytes(const void* p) {
  return _mm256_load_si256(static_cast<const __m256i*>(p));
}
inline __m256 load_halves(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m256i splat_quad(const void* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, 4);
  return _mm256_set1_epi32(quad);
}
inline __m256i widen(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline __m256i widen(const int8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline void store(void* p, __m256i v) { _mm256_store_si256(static_cast<__m256i*>(p), v); }
// Two 16-bit numbers in each lane.
template <class Byte>
inline __m256i pairs(const Byte* low, const Byte* high) {
  return _mm256_or_si256(_mm256_and_si256(widen(low), _mm256_set1_epi32(0xffff)),
                         _mm256_slli_epi32(widen(high), 16));
}

// Scales of 256 columns, and quads whose products fit into 16 bits together.
template <class Block>
struct Fit {
  static constexpr int kScales = kSubBlocks, kQuads = 8;
};
template <>
struct Fit<Q5Block> {
  static constexpr int kScales = kSubBlocks, kQuads = 4;
};
template <>
struct Fit<Q6Block> {
  static constexpr int kScales = 2 * kSubBlocks, kQuads = 2;
};

// value = d · Σ scale Σ q x - offset · Σ pair · sums: the pairs are mins for Q4 and Q5, for Q6
// scales.
template <class Block>
struct alignas(64) Unpacked {
  uint8_t q[kSubBlocks * kSubQuads][64];
  int32_t scale[Fit<Block>::kScales][16];      // twice the scale, in 16 bits each
  int32_t pairs[Fit<Block>::kScales / 2][16];  // of two scales
  float d[16], offset[16];
};

template <int n>
inline __m256i shifted(__m256i v) {
  return n >= 0 ? _mm256_slli_epi16(v, n) : _mm256_srli_epi16(v, -n);
}

// Levels of sub-block s with the bits above their low four; `at` bytes into quad k.
template <int s>
inline __m256i with_upper(const Q4Block&, int, int, __m256i low) {
  return low;
}
template <int s>
inline __m256i with_upper(const Q5Block& w, int k, int at, __m256i low) {
  const __m256i bits = shifted<4 - s>(load_bytes(w.fifth[k] + at));
  return _mm256_or_si256(low, _mm256_and_si256(bits, _mm256_set1_epi8(16)));
}
template <int s>
inline __m256i with_upper(const Q6Block& w, int k, int at, __m256i low) {
  const __m256i bits = shifted<4 - s % 4 * 2>(load_bytes(w.upper[s / 4][k] + at));
  return _mm256_or_si256(low, _mm256_and_si256(bits, _mm256_set1_epi8(48)));
}

// Of sub-blocks 2 i and 2 i + 1, which share their bytes.
template <int i, class Block>
inline void levels_of(const Block& w, int k, int at, __m256i& even, __m256i& odd) {
  const __m256i both = load_bytes(w.q[i][k] + at), low = _mm256_set1_epi8(15);
  even = with_upper<2 * i>(w, k, at, _mm256_and_si256(both, low));
  odd = with_upper<2 * i + 1>(w, k, at, _mm256_and_si256(_mm256_srli_epi16(both, 4), low));
}

template <class Block>
inline __m256i pair_of(const Block& w, int i, int at) {
  return pairs(w.min[2 * i] + at, w.min[2 * i + 1] + at);
}
inline __m256i pair_of(const Q6Block& w, int i, int at) {
  return pairs(w.scale[2 * i] + at, w.scale[2 * i + 1] + at);
}
template <class Block>
inline __m256 offset_of(const Block& w, int at) {
  return load_halves(w.dmin + at);
}
inline __m256 offset_of(const Q6Block& w, int at) {
  return _mm256_mul_ps(load_halves(w.d + at), _mm256_set1_ps(kQ6Offset));
}

template <int i, class Block>
inline void unpack_levels(const Block& w, Unpacked<Block>& to) {
  for (int k = 0; k < kSubQuads; ++k)
    for (int at = 0; at < 64; at += 32) {
      __m256i even, odd;
      levels_of<i>(w, k, at, even, odd);
      store(to.q[2 * i * kSubQuads + k] + at, even);
      store(to.q[(2 * i + 1) * kSubQuads + k] + at, odd);
    }
}

template <class Block>
void unpack(const Block& w, Unpacked<Block>& to) {
  unpack_levels<0>(w, to);
  unpack_levels<1>(w, to);
  unpack_levels<2>(w, to);
  unpack_levels<3>(w, to);
  for (int at = 0; at < kGroupRows; at += 8) {
    for (int s = 0; s < Fit<Block>::kScales; ++s)
      store(to.scale[s] + at, pairs(w.scale[s] + at, w.scale[s] + at));
    for (int i = 0; i < Fit<Block>::kScales / 2; ++i) store(to.pairs[i] + at, pair_of(w, i, at));
    _mm256_store_ps(to.d + at, load_halves(w.d + at));
    _mm256_store_ps(to.offset + at, offset_of(w, at));
  }
}

template <class Block>
inline const int16_t* sums_of(const QuantisedColumns& x) {
  return x.sums;
}
template <>
inline const int16_t* sums_of<Q6Block>(const QuantisedColumns& x) {
  return x.half_sums;
}

template <int R, class Block>
inline void tile(const Unpacked<Block>* unpacked, const QuantisedColumns* x, float* sums) {
  const Unpacked<Block>& w = *unpacked;
  constexpr int kScales = Fit<Block>::kScales, kQuads = Fit<Block>::kQuads;
  constexpr int kSteps = kBlockDepth / 4 / kScales / kQuads;  // of one scale
  __m256i total[R][2];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) total[r][0] = total[r][1] = _mm256_setzero_si256();
  for (int s = 0; s < kScales; ++s) {
    const __m256i s0 = load_bytes(w.scale[s]), s1 = load_bytes(w.scale[s] + 8);
#pragma GCC unroll 2
    for (int step = s * kSteps; step < (s + 1) * kSteps; ++step) {
      __m256i sum[R][2];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (int i = 0; i < kQuads; ++i) {  // to a constant, as in body/quantised_vnni.h
        const int k = step * kQuads + i;
        const __m256i w0 = load_bytes(w.q[k]), w1 = load_bytes(w.q[k] + 32);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const __m256i quad = splat_quad(x[r].q + 4 * k);
          sum[r][0] = _mm256_add_epi16(sum[r][0], _mm256_maddubs_epi16(w0, quad));
          sum[r][1] = _mm256_add_epi16(sum[r][1], _mm256_maddubs_epi16(w1, quad));
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        total[r][0] = _mm256_add_epi32(total[r][0], _mm256_madd_epi16(sum[r][0], s0));
        total[r][1] = _mm256_add_epi32(total[r][1], _mm256_madd_epi16(sum[r][1], s1));
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const QuantisedColumns& row = x[r];
    const int16_t* row_sums = sums_of<Block>(row);
    const __m256 scale = _mm256_set1_ps(row.scale);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      __m256i off = _mm256_setzero_si256();
      for (int i = 0; i < kScales / 2; ++i)
        off = _mm256_add_epi32(off, _mm256_madd_epi16(load_bytes(w.pairs[i] + 8 * half),
                                                      splat_quad(row_sums + 2 * i)));
      const __m256 value = _mm256_fnmadd_ps(
          _mm256_cvtepi32_ps(off), _mm256_load_ps(w.offset + 8 * half),
          _mm256_mul_ps(_mm256_cvtepi32_ps(total[r][half]), _mm256_load_ps(w.d + 8 * half)));
      float* to = sums + r * kTileCols + 8 * half;
      _mm256_store_ps(to, _mm256_fmadd_ps(value, scale, _mm256_load_ps(to)));
    }
  }
}

template <>
struct alignas(64) Unpacked<Q8Block> {
  int8_t q[kSubBlocks][kSubQuads][64];
  float scale[kSubBlocks][16];
};

void unpack(const Q8Block& w, Unpacked<Q8Block>& to) {
  const __m256i offset = _mm256_set1_epi8(static_cast<char>(kQ8Offset));
  for (int s = 0; s < kSubBlocks; ++s)
    for (int half = 0; half < 2; ++half) {
      for (int k = 0; k < kSubQuads; ++k)
        store(to.q[s][k] + 32 * half,
              _mm256_xor_si256(load_bytes(w.q[s][k] + 32 * half), offset));
      _mm256_store_ps(to.scale[s] + 8 * half, load_halves(w.d[s] + 8 * half));
    }
}

template <int R>
inline void tile(const Unpacked<Q8Block>* unpacked, const QuantisedColumns* x, float* sums) {
  const Unpacked<Q8Block>& w = *unpacked;
  const __m256i ones = _mm256_set1_epi16(1);
  for (int half = 0; half < 2; ++half) {
    __m256 scaled[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) scaled[r] = _mm256_setzero_ps();
    for (int s = 0; s < kSubBlocks; ++s) {
      __m256i sum[R];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) sum[r] = _mm256_setzero_si256();
#pragma GCC unroll 8
      for (int k = 0; k < kSubQuads; ++k) {
        const __m256i weights = load_bytes(w.q[s][k] + 32 * half);
        const __m256i magnitudes = _mm256_abs_epi8(weights);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const __m256i quad = splat_quad(x[r].q + s * kSubDepth + 4 * k);
          const __m256i products =
              _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(quad, weights));
          sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(products, ones));
        }
      }
      const __m256 d = _mm256_load_ps(w.scale[s] + 8 * half);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r)
        scaled[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), d, scaled[r]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      float* to = sums + r * kTileCols + 8 * half;
      _mm256_store_ps(to, _mm256_fmadd_ps(scaled[r], _mm256_set1_ps(x[r].scale),
                                          _mm256_load_ps(to)));
    }
  }
}

// ---- few rows of x: a block is read once, in place, eight rows of W at a time

template <int M, int i, class Block>
inline void few_pair(const Block& w, const QuantisedColumns* x, int at,
                     __m256i (&total)[M], __m256i (&off)[M]) {
  constexpr int kQuads = Fit<Block>::kQuads, kPairs = Fit<Block>::kScales / kSubBlocks;
#pragma GCC unroll 4
  for (int first = 0; first < kSubQuads; first += kQuads) {
    __m256i even[M], odd[M];
#pragma GCC unroll 2
    for (int j = 0; j < M; ++j) even[j] = odd[j] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int k = first; k < first + kQuads; ++k) {
      __m256i w0, w1;
      levels_of<i>(w, k, 4 * at, w0, w1);
#pragma GCC unroll 2
      for (int j = 0; j < M; ++j) {
        const int8_t* q = x[j].q + 2 * i * kSubDepth + 4 * k;
        even[j] = _mm256_add_epi16(even[j], _mm256_maddubs_epi16(w0, splat_quad(q)));
        odd[j] = _mm256_add_epi16(odd[j], _mm256_maddubs_epi16(w1, splat_quad(q + kSubDepth)));
      }
    }
    const int s = 2 * i * kPairs + first * kPairs / static_cast<int>(kSubQuads);  // of the even ones
    const __m256i s0 = pairs(w.scale[s] + at, w.scale[s] + at),
                  s1 = pairs(w.scale[s + kPairs] + at, w.scale[s + kPairs] + at);
#pragma GCC unroll 2
    for (int j = 0; j < M; ++j)
      total[j] = _mm256_add_epi32(total[j], _mm256_add_epi32(_mm256_madd_epi16(even[j], s0),
                                                             _mm256_madd_epi16(odd[j], s1)));
  }
#pragma GCC unroll 2
  for (int p = i * kPairs; p < (i + 1) * kPairs; ++p)
    for (int j = 0; j < M; ++j)
      off[j] = _mm256_add_epi32(
          off[j], _mm256_madd_epi16(pair_of(w, p, at),
                                    splat_quad(sums_of<Block>(x[j]) + 2 * p)));
}

template <int M, class Block>
inline void few_of(const Block& w, Ahead<Block>& ahead, const QuantisedColumns* x, int at,
                   __m256 (&values)[M]) {
  __m256i total[M], off[M];
#pragma GCC unroll 2
  for (int j = 0; j < M; ++j) total[j] = off[j] = _mm256_setzero_si256();
  ahead.some();
  few_pair<M, 0>(w, x, at, total, off);
  ahead.some();
  few_pair<M, 1>(w, x, at, total, off);
  ahead.some();
  few_pair<M, 2>(w, x, at, total, off);
  ahead.some();
  few_pair<M, 3>(w, x, at, total, off);
#pragma GCC unroll 2
  for (int j = 0; j < M; ++j)
    values[j] = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(off[j]), offset_of(w, at),
                                 _mm256_mul_ps(_mm256_cvtepi32_ps(total[j]), load_halves(w.d + at)));
}

template <int M>
inline void few_of(const Q8Block& w, Ahead<Q8Block>& ahead, const QuantisedColumns* x, int at,
                   __m256 (&values)[M]) {
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i signs = _mm256_set1_epi8(static_cast<char>(kQ8Offset));
#pragma GCC unroll 2
  for (int j = 0; j < M; ++j) values[j] = _mm256_setzero_ps();
  for (int s = 0; s < kSubBlocks; ++s) {
    ahead.some();
    __m256i sum[M];
#pragma GCC unroll 2
    for (int j = 0; j < M; ++j) sum[j] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int k = 0; k < kSubQuads; ++k) {
      const __m256i weights = _mm256_xor_si256(load_bytes(w.q[s][k] + 4 * at), signs);
      const __m256i magnitudes = _mm256_abs_epi8(weights);
#pragma GCC unroll 2
      for (int j = 0; j < M; ++j) {
        const __m256i quad = splat_quad(x[j].q + s * kSubDepth + 4 * k);
        const __m256i products = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(quad, weights));
        sum[j] = _mm256_add_epi32(sum[j], _mm256_madd_epi16(products, ones));
      }
    }
#pragma GCC unroll 2
    for (int j = 0; j < M; ++j)
      values[j] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[j]), load_halves(w.d[s] + at), values[j]);
  }
}

template <int M, class Block>
inline void few(const Block& w, const Block* next, const QuantisedColumns* x, float* sums) {
  constexpr bool kByScale = std::is_same_v<Block, Q8Block>;
  Ahead<Block> ahead{next, 2 * (kByScale ? kSubBlocks : kSubBlocks / 2)};
  for (int at = 0; at < kGroupRows; at += 8) {
    __m256 values[M];
    few_of<M>(w, ahead, x, at, values);
#pragma GCC unroll 2
    for (int j = 0; j < M; ++j) {
      float* to = sums + j * kGroupRows + at;
      _mm256_store_ps(to, _mm256_fmadd_ps(values[j], _mm256_set1_ps(x[j].scale),
                                          _mm256_load_ps(to)));
    }
  }
}

#include "kernels/body/quantised_multiply.h"

// Of 4-bit weights: eight pairs are summed in 16 bits before they are widened.
int64_t peak(const PeakArgs& a) {
  constexpr int kSums = 6, kPairs = 8;
  __m256i sums[kSums], x[kPairs];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_epi32(i);
  for (__m256i& factors : x) factors = _mm256_set1_epi8(static_cast<char>(a.values[2]));
  const __m256i w = _mm256_set1_epi8(static_cast<char>(a.values[1]));
  const __m256i scale = _mm256_set1_epi16(static_cast<int16_t>(a.values[1]));
  for (int64_t round = 0; round < a.rounds; ++round)
    for (int i = 0; i < kSums; ++i) {
      asm volatile("" : : "r"(x) : "memory");  // else all products are one
      __m256i pairs = _mm256_maddubs_epi16(w, x[0]);
      for (int j = 1; j < kPairs; ++j)
        pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w, x[j]));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, scale));
    }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  a.values[0] = static_cast<float>(_mm256_extract_epi32(sums[0], 0));
  return a.rounds * kSums * kPairs * 64;
}

}  // namespace

const QuantisedTable kAvx2Quantised = {
    "avx2", kMostRows, kTileRows, kMostGroups, quantise_rows, kind<Q4Block>, kind<Q5Block>,
    kind<Q6Block>, kind<Q8Block>, peak};

}  // namespace isthmus::kernels
