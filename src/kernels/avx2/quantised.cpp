// Compiled with -mavx2 -mfma -mf16c. A 32-bit lane of a register is a row of W, eight to one.
//
// 8-bit products come in pairs of 16 bits. Of 4-bit weights eight pairs fit into 16 bits (8 · 2 · 15
// · 127 = 30480), and one multiplication by the scale widens them; of 8-bit weights none do.
#include <immintrin.h>

#include "kernels/quantised.h"
#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

constexpr int kTileRows = 4, kGroupsAtOnce = 1, kFewRows = 0;

template <class Block>
struct Unpacked;
template <int R, class U>
inline void tile(const U* w, const QuantisedColumns* x, int64_t x_stride, float* sums);
template <int M, class Block>
inline void few(const Block&, const QuantisedColumns*, int64_t, float*) {}

inline float half_to_float(uint16_t half) { return _cvtsh_ss(half); }
inline uint16_t float_to_half(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#include "kernels/body/quantised.h"
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
// Two 16-bit numbers in each lane.
inline __m256i pairs(const uint8_t* low, const uint8_t* high) {
  return _mm256_or_si256(widen(low), _mm256_slli_epi32(widen(high), 16));
}

template <>
struct alignas(64) Unpacked<Q4Block> {
  uint8_t q[kSubBlocks][kSubQuads][64];
  int32_t scale[kSubBlocks][16];    // twice the scale, in 16 bits each
  int32_t min[kSubBlocks / 2][16];  // of two sub-blocks
  float d[16], dmin[16];
};

void unpack(const Q4Block& w, Unpacked<Q4Block>& to) {
  const __m256i low = _mm256_set1_epi8(15);
  for (int half = 0; half < 2; ++half) {
    const int at = 8 * half;
    for (int i = 0; i < kSubBlocks / 2; ++i) {
      for (int k = 0; k < kSubQuads; ++k) {
        const __m256i both = load_bytes(w.q[i][k] + 32 * half);
        _mm256_store_si256(reinterpret_cast<__m256i*>(to.q[2 * i][k] + 32 * half),
                           _mm256_and_si256(both, low));
        _mm256_store_si256(reinterpret_cast<__m256i*>(to.q[2 * i + 1][k] + 32 * half),
                           _mm256_and_si256(_mm256_srli_epi16(both, 4), low));
      }
      _mm256_store_si256(reinterpret_cast<__m256i*>(to.min[i] + at),
                         pairs(w.min[2 * i] + at, w.min[2 * i + 1] + at));
    }
    for (int s = 0; s < kSubBlocks; ++s)
      _mm256_store_si256(reinterpret_cast<__m256i*>(to.scale[s] + at),
                         pairs(w.scale[s] + at, w.scale[s] + at));
    _mm256_store_ps(to.d + at, load_halves(w.d + at));
    _mm256_store_ps(to.dmin + at, load_halves(w.dmin + at));
  }
}

template <int R>
inline void tile_of(const Unpacked<Q4Block>& w, const QuantisedColumns* x, int64_t x_stride,
                    float* sums) {
  __m256i total[R][2];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) total[r][0] = total[r][1] = _mm256_setzero_si256();
  for (int s = 0; s < kSubBlocks; ++s) {
    __m256i sum[R][2];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int k = 0; k < kSubQuads; ++k) {
      const __m256i w0 = load_bytes(w.q[s][k]), w1 = load_bytes(w.q[s][k] + 32);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const __m256i quad = splat_quad(x[r * x_stride].q + s * kSubDepth + 4 * k);
        sum[r][0] = _mm256_add_epi16(sum[r][0], _mm256_maddubs_epi16(w0, quad));
        sum[r][1] = _mm256_add_epi16(sum[r][1], _mm256_maddubs_epi16(w1, quad));
      }
    }
    const __m256i s0 = load_bytes(w.scale[s]), s1 = load_bytes(w.scale[s] + 8);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      total[r][0] = _mm256_add_epi32(total[r][0], _mm256_madd_epi16(sum[r][0], s0));
      total[r][1] = _mm256_add_epi32(total[r][1], _mm256_madd_epi16(sum[r][1], s1));
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const QuantisedColumns& row = x[r * x_stride];
    const __m256 scale = _mm256_set1_ps(row.scale);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      __m256i min = _mm256_setzero_si256();
      for (int i = 0; i < kSubBlocks / 2; ++i)
        min = _mm256_add_epi32(
            min, _mm256_madd_epi16(load_bytes(w.min[i] + 8 * half), splat_quad(row.sums + 2 * i)));
      const __m256 value = _mm256_fnmadd_ps(
          _mm256_cvtepi32_ps(min), _mm256_load_ps(w.dmin + 8 * half),
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
        _mm256_store_si256(reinterpret_cast<__m256i*>(to.q[s][k] + 32 * half),
                           _mm256_xor_si256(load_bytes(w.q[s][k] + 32 * half), offset));
      _mm256_store_ps(to.scale[s] + 8 * half, load_halves(w.d[s] + 8 * half));
    }
}

template <int R>
inline void tile_of(const Unpacked<Q8Block>& w, const QuantisedColumns* x, int64_t x_stride,
                    float* sums) {
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
          const __m256i quad = splat_quad(x[r * x_stride].q + s * kSubDepth + 4 * k);
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
      _mm256_store_ps(to, _mm256_fmadd_ps(scaled[r], _mm256_set1_ps(x[r * x_stride].scale),
                                          _mm256_load_ps(to)));
    }
  }
}

template <int R, class U>
inline void tile(const U* w, const QuantisedColumns* x, int64_t x_stride, float* sums) {
  tile_of<R>(*w, x, x_stride, sums);
}

}  // namespace

const QuantisedTable kAvx2Quantised = {
    "avx2",       quantise_rows, multiply<Q4Block>, multiply<Q8Block>,
    dequantise_q4, dequantise_q8, quantise_q4,       quantise_q8,
};

}  // namespace isthmus::kernels
