// Compiled with AVX-512 F, BW, DQ, VL and VNNI.
#include <immintrin.h>

#include <type_traits>

#include "kernels/quantised.h"
#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

constexpr int kTileRows = 6, kGroupsAtOnce = 2, kFewRows = 4;

inline float half_to_float(uint16_t half) { return _cvtsh_ss(half); }
inline uint16_t float_to_half(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

typedef __m512i VI;
typedef __m512 VF;
constexpr int kLanes = 16;

inline VI load_bytes(const void* p) { return _mm512_load_si512(p); }
inline void store_bytes(void* p, VI v) { _mm512_store_si512(p, v); }
inline VF load_floats(const float* p) { return _mm512_load_ps(p); }
inline void store_floats(float* p, VF v) { _mm512_store_ps(p, v); }
inline VF load_halves(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}
inline VI widen(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
inline VI widen(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}
inline VI splat(int x) { return _mm512_set1_epi32(x); }
inline VI splat_byte(uint8_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
inline VF splat(float x) { return _mm512_set1_ps(x); }
inline VI splat_quad(const void* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, 4);
  return splat(quad);
}
inline VI bits_and(VI a, VI b) { return _mm512_and_si512(a, b); }
inline VI bits_or(VI a, VI b) { return _mm512_or_si512(a, b); }
inline VI add_masked(VI low, VI bits, VI mask) {
  return _mm512_ternarylogic_epi32(low, bits, mask, 0xf8);
}
template <int n>
inline VI shift_left(VI v) {
  return _mm512_slli_epi16(v, n);
}
template <int n>
inline VI shift_right(VI v) {
  return _mm512_srli_epi16(v, n);
}
inline VI shift_words_up(VI v) { return _mm512_slli_epi32(v, 16); }
inline VI add(VI a, VI b) { return _mm512_add_epi32(a, b); }
inline VI dot_bytes(VI sum, VI w, VI x) { return _mm512_dpbusd_epi32(sum, w, x); }
inline VI dot_words(VI sum, VI a, VI b) { return _mm512_dpwssd_epi32(sum, a, b); }
inline VF to_floats(VI v) { return _mm512_cvtepi32_ps(v); }
inline VF fma(VF a, VF b, VF c) { return _mm512_fmadd_ps(a, b, c); }
inline VF fnmadd(VF a, VF b, VF c) { return _mm512_fnmadd_ps(a, b, c); }
inline VF mul(VF a, VF b) { return _mm512_mul_ps(a, b); }

// Each file uses the ones before it.
// clang-format off
#include "kernels/body/quantised.h"
#include "kernels/body/round_columns_512.h"
#include "kernels/body/quantise_weights.h"
#include "kernels/body/quantised_vnni.h"
#include "kernels/body/quantised_multiply.h"
#include "kernels/body/peak_vnni.h"
// clang-format on

}  // namespace

const QuantisedTable kAvx512Quantised = {
    "avx512", kMostRows, kTileRows, kMostGroups, quantise_rows, kind<Q4Block>, kind<Q5Block>,
    kind<Q6Block>, kind<Q8Block>, peak};

}  // namespace isthmus::kernels
