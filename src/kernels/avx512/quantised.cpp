// Compiled with AVX-512 F, BW, DQ, VL and VNNI. A lane of a register is a row of W.
#include <immintrin.h>

#include "kernels/quantised.h"
#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

constexpr int kTileRows = 6, kGroupsAtOnce = 2, kFewRows = 4;

template <class Block>
struct Unpacked;
template <int R, class U>
inline void tile(const U* w, const QuantisedColumns* x, int64_t x_stride, float* sums);
template <int M, class Block>
inline void few(const Block& w, const QuantisedColumns* x, int64_t x_stride, float* sums);

inline float half_to_float(uint16_t half) { return _cvtsh_ss(half); }
inline uint16_t float_to_half(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#include "kernels/body/quantised.h"
#include "kernels/body/quantise_weights.h"

inline __m512i load_bytes(const void* p) { return _mm512_load_si512(p); }
inline __m512 load_halves(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m512i widen(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
// Four columns of x in every lane, or two sums.
inline __m512i splat_quad(const void* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, 4);
  return _mm512_set1_epi32(quad);
}

// The mins of two sub-blocks side by side in a lane, as splat_quad gives the two sums.
inline __m512i min_pairs(const Q4Block& w, int i) {
  return _mm512_or_si512(widen(w.min[2 * i]), _mm512_slli_epi32(widen(w.min[2 * i + 1]), 16));
}

template <>
struct alignas(64) Unpacked<Q4Block> {
  uint8_t q[kSubBlocks][kSubQuads][64];
  float scale[kSubBlocks][16], d[16], dmin[16];
  int32_t min[kSubBlocks / 2][16];
};

void unpack(const Q4Block& w, Unpacked<Q4Block>& to) {
  const __m512i low = _mm512_set1_epi8(15);
  for (int i = 0; i < kSubBlocks / 2; ++i) {
    for (int k = 0; k < kSubQuads; ++k) {
      const __m512i both = load_bytes(w.q[i][k]);
      _mm512_store_si512(to.q[2 * i][k], _mm512_and_si512(both, low));
      _mm512_store_si512(to.q[2 * i + 1][k], _mm512_and_si512(_mm512_srli_epi16(both, 4), low));
    }
    _mm512_store_si512(to.min[i], min_pairs(w, i));
  }
  for (int s = 0; s < kSubBlocks; ++s)
    _mm512_store_ps(to.scale[s], _mm512_cvtepi32_ps(widen(w.scale[s])));
  _mm512_store_ps(to.d, load_halves(w.d));
  _mm512_store_ps(to.dmin, load_halves(w.dmin));
}

// Read where they are.
template <>
struct alignas(64) Unpacked<Q8Block> {
  const uint8_t (*q)[kSubQuads][64];
  float scale[kSubBlocks][16];
};

void unpack(const Q8Block& w, Unpacked<Q8Block>& to) {
  to.q = w.q;
  for (int s = 0; s < kSubBlocks; ++s) _mm512_store_ps(to.scale[s], load_halves(w.d[s]));
}

inline __m512i start_of(const Unpacked<Q4Block>&, const QuantisedColumns&, int) {
  return _mm512_setzero_si512();
}
// Σ (q - 128) x = Σ q x - 128 Σ x
inline __m512i start_of(const Unpacked<Q8Block>&, const QuantisedColumns& x, int s) {
  return _mm512_set1_epi32(-kQ8Offset * x.sums[s]);
}

inline __m512 finished(const Unpacked<Q4Block>& w, const QuantisedColumns& x, __m512 scaled) {
  __m512i min = _mm512_setzero_si512();
#pragma GCC unroll 4
  for (int i = 0; i < kSubBlocks / 2; ++i)
    min = _mm512_dpwssd_epi32(min, load_bytes(w.min[i]), splat_quad(x.sums + 2 * i));
  return _mm512_fnmadd_ps(_mm512_cvtepi32_ps(min), _mm512_load_ps(w.dmin),
                          _mm512_mul_ps(scaled, _mm512_load_ps(w.d)));
}
inline __m512 finished(const Unpacked<Q8Block>&, const QuantisedColumns&, __m512 scaled) {
  return scaled;
}

// R rows of x by 32 rows of W: 2 R sums of whole numbers over 32 columns, and 2 R of floats.
template <int R, class U>
inline void tile(const U* w, const QuantisedColumns* x, int64_t x_stride, float* sums) {
  __m512 scaled[R][2];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) scaled[r][0] = scaled[r][1] = _mm512_setzero_ps();
  for (int s = 0; s < kSubBlocks; ++s) {
    __m512i sum[R][2];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = start_of(w[0], x[r * x_stride], s);
#pragma GCC unroll 8
    for (int k = 0; k < kSubQuads; ++k) {
      const __m512i w0 = load_bytes(w[0].q[s][k]), w1 = load_bytes(w[1].q[s][k]);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const __m512i quad = splat_quad(x[r * x_stride].q + s * kSubDepth + 4 * k);
        sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], w0, quad);
        sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], w1, quad);
      }
    }
    const __m512 s0 = _mm512_load_ps(w[0].scale[s]), s1 = _mm512_load_ps(w[1].scale[s]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      scaled[r][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][0]), s0, scaled[r][0]);
      scaled[r][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][1]), s1, scaled[r][1]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m512 scale = _mm512_set1_ps(x[r * x_stride].scale);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      float* to = sums + r * kTileCols + 16 * half;
      const __m512 value = finished(w[half], x[r * x_stride], scaled[r][half]);
      _mm512_store_ps(to, _mm512_fmadd_ps(value, scale, _mm512_load_ps(to)));
    }
  }
}

// How far in front of the reader weights are asked for: two blocks.
template <class Block>
inline void prefetch(const void* p) {
  __builtin_prefetch(static_cast<const char*>(p) + 2 * sizeof(Block));
}

template <int M>
inline void few_of(const Q4Block& w, const QuantisedColumns* x, int64_t x_stride, float* sums) {
  const __m512i low = _mm512_set1_epi8(15);
  __m512 scaled[M];
  __m512i min[M];
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) {
    scaled[j] = _mm512_setzero_ps();
    min[j] = _mm512_setzero_si512();
  }
#pragma GCC unroll 4
  for (int i = 0; i < kSubBlocks / 2; ++i) {
    __m512i even[M][2], odd[M][2];
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j)
      even[j][0] = even[j][1] = odd[j][0] = odd[j][1] = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int k = 0; k < kSubQuads; ++k) {
      const __m512i both = load_bytes(w.q[i][k]);
      prefetch<Q4Block>(w.q[i][k]);
      const __m512i w0 = _mm512_and_si512(both, low);
      const __m512i w1 = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j) {
        const int8_t* q = x[j * x_stride].q + 64 * i + 4 * k;
        even[j][k % 2] = _mm512_dpbusd_epi32(even[j][k % 2], w0, splat_quad(q));
        odd[j][k % 2] = _mm512_dpbusd_epi32(odd[j][k % 2], w1, splat_quad(q + kSubDepth));
      }
    }
    const __m512 s0 = _mm512_cvtepi32_ps(widen(w.scale[2 * i]));
    const __m512 s1 = _mm512_cvtepi32_ps(widen(w.scale[2 * i + 1]));
    const __m512i pairs = min_pairs(w, i);
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j) {
      const __m512i a = _mm512_add_epi32(even[j][0], even[j][1]);
      const __m512i b = _mm512_add_epi32(odd[j][0], odd[j][1]);
      scaled[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(a), s0, scaled[j]);
      scaled[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(b), s1, scaled[j]);
      min[j] = _mm512_dpwssd_epi32(min[j], pairs, splat_quad(x[j * x_stride].sums + 2 * i));
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) {
    const __m512 value = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(min[j]), load_halves(w.dmin),
                                          _mm512_mul_ps(scaled[j], load_halves(w.d)));
    float* to = sums + j * kGroupRows;
    _mm512_store_ps(to, _mm512_fmadd_ps(value, _mm512_set1_ps(x[j * x_stride].scale),
                                        _mm512_load_ps(to)));
  }
}

template <int M>
inline void few_of(const Q8Block& w, const QuantisedColumns* x, int64_t x_stride, float* sums) {
  __m512 scaled[M];
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) scaled[j] = _mm512_setzero_ps();
#pragma GCC unroll 2
  for (int s = 0; s < kSubBlocks; ++s) {
    __m512i sum[M][2];
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j) {
      sum[j][0] = _mm512_set1_epi32(-kQ8Offset * x[j * x_stride].sums[s]);
      sum[j][1] = _mm512_setzero_si512();
    }
#pragma GCC unroll 8
    for (int k = 0; k < kSubQuads; ++k) {
      const __m512i weights = load_bytes(w.q[s][k]);
      prefetch<Q8Block>(w.q[s][k]);
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j)
        sum[j][k % 2] = _mm512_dpbusd_epi32(
            sum[j][k % 2], weights, splat_quad(x[j * x_stride].q + s * kSubDepth + 4 * k));
    }
    const __m512 d = load_halves(w.d[s]);
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j)
      scaled[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sum[j][0], sum[j][1])), d,
                                  scaled[j]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) {
    float* to = sums + j * kGroupRows;
    _mm512_store_ps(to, _mm512_fmadd_ps(scaled[j], _mm512_set1_ps(x[j * x_stride].scale),
                                        _mm512_load_ps(to)));
  }
}

template <int M, class Block>
inline void few(const Block& w, const QuantisedColumns* x, int64_t x_stride, float* sums) {
  few_of<M>(w, x, x_stride, sums);
}

}  // namespace

const QuantisedTable kAvx512Quantised = {
    "avx512",       quantise_rows, multiply<Q4Block>, multiply<Q8Block>,
    dequantise_q4, dequantise_q8, quantise_q4,       quantise_q8,
};

}  // namespace isthmus::kernels
