// Compiled with -mavx2 -mfma -mf16c -mavxvnni. Tests compile it a second time, for the same
// instructions as AVX-512 encodes them, on processors that have only those.
#include <immintrin.h>

#include <type_traits>

#include "kernels/quantised.h"
#include "kernels/tables.h"

#ifndef ISTHMUS_AVX_VNNI_TABLE
#define ISTHMUS_AVX_VNNI_TABLE kAvxVnniQuantised
#endif

namespace isthmus::kernels {
namespace {

constexpr int kTileRows = 4, kGroupsAtOnce = 1, kFewRows = 2;

inline float half_to_float(uint16_t half) { return _cvtsh_ss(half); }
inline uint16_t float_to_half(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

typedef __m256i VI;
typedef __m256 VF;
constexpr int kLanes = 8;

inline VI load_bytes(const void* p) { return _mm256_load_si256(static_cast<const __m256i*>(p)); }
inline void store_bytes(void* p, VI v) { _mm256_store_si256(static_cast<__m256i*>(p), v); }
inline VF load_floats(const float* p) { return _mm256_load_ps(p); }
inline void store_floats(float* p, VF v) { _mm256_store_ps(p, v); }
inline VF load_halves(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
inline VI widen(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline VI widen(const int8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline VI splat(int x) { return _mm256_set1_epi32(x); }
inline VI splat_byte(uint8_t x) { return _mm256_set1_epi8(static_cast<char>(x)); }
inline VF splat(float x) { return _mm256_set1_ps(x); }
inline VI splat_quad(const void* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, 4);
  return splat(quad);
}
inline VI bits_and(VI a, VI b) { return _mm256_and_si256(a, b); }
inline VI bits_or(VI a, VI b) { return _mm256_or_si256(a, b); }
inline VI add_masked(VI low, VI bits, VI mask) { return bits_or(low, bits_and(bits, mask)); }
template <int n>
inline VI shift_left(VI v) {
  return _mm256_slli_epi16(v, n);
}
template <int n>
inline VI shift_right(VI v) {
  return _mm256_srli_epi16(v, n);
}
inline VI shift_words_up(VI v) { return _mm256_slli_epi32(v, 16); }
inline VI add(VI a, VI b) { return _mm256_add_epi32(a, b); }
#ifdef __AVXVNNI__
inline VI dot_bytes(VI sum, VI w, VI x) { return _mm256_dpbusd_avx_epi32(sum, w, x); }
inline VI dot_words(VI sum, VI a, VI b) { return _mm256_dpwssd_avx_epi32(sum, a, b); }
#else
inline VI dot_bytes(VI sum, VI w, VI x) { return _mm256_dpbusd_epi32(sum, w, x); }
inline VI dot_words(VI sum, VI a, VI b) { return _mm256_dpwssd_epi32(sum, a, b); }
#endif
inline VF to_floats(VI v) { return _mm256_cvtepi32_ps(v); }
inline VF fma(VF a, VF b, VF c) { return _mm256_fmadd_ps(a, b, c); }
inline VF fnmadd(VF a, VF b, VF c) { return _mm256_fnmadd_ps(a, b, c); }
inline VF mul(VF a, VF b) { return _mm256_mul_ps(a, b); }

// Each file uses the ones before it.
// clang-format off
#include "kernels/body/quantised.h"
#include "kernels/body/round_columns_256.h"
#include "kernels/body/quantise_weights.h"
#include "kernels/body/quantised_vnni.h"
#include "kernels/body/quantised_multiply.h"
#include "kernels/body/peak_vnni.h"
// clang-format on

}  // namespace

extern const QuantisedTable ISTHMUS_AVX_VNNI_TABLE;
const QuantisedTable ISTHMUS_AVX_VNNI_TABLE = {
    "avx_vnni", kMostRows, kTileRows, kMostGroups, quantise_rows, kind<Q4Block>, kind<Q5Block>,
    kind<Q6Block>, kind<Q8Block>, peak};

}  // namespace isthmus::kernels
