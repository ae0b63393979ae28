// Sixteen floats in a zmm register. Included inside the anonymous namespace of one file.

typedef __m512 V;
typedef int32_t VI __attribute__((vector_size(64)));
constexpr int kWidth = 16;
constexpr int kRegisters = 32;
constexpr int kTileRows = 12;

inline V splat(float x) { return _mm512_set1_ps(x); }
inline V load(const void* p) { return _mm512_loadu_ps(p); }
inline void store(void* p, V v) { _mm512_storeu_ps(p, v); }
inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
// The first n lanes, n < kWidth; the others are zero, or left as they are in memory.
inline V load_n(const void* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void store_n(void* p, V v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

inline V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
// The second operand where either is NaN.
inline V min(V a, V b) { return _mm512_min_ps(a, b); }
inline V max(V a, V b) { return _mm512_max_ps(a, b); }
inline float sum_lanes(V a) { return _mm512_reduce_add_ps(a); }
inline float max_lanes(V a) { return _mm512_reduce_max_ps(a); }

inline V widen_bf16(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline __m256i load_u16(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline __m256i load_u16_n(const void* p, int64_t n) {
  return _mm256_maskz_loadu_epi16(first_lanes(n), p);
}
inline V load_f16(const void* p) { return _mm512_cvtph_ps(load_u16(p)); }
inline V load_f16_n(const void* p, int64_t n) { return _mm512_cvtph_ps(load_u16_n(p, n)); }
inline V load_bf16(const void* p) { return widen_bf16(load_u16(p)); }
inline V load_bf16_n(const void* p, int64_t n) { return widen_bf16(load_u16_n(p, n)); }
inline V widen_i8(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
inline V load_i8(const void* p) {
  return widen_i8(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline V load_i8_n(const void* p, int64_t n) {
  return widen_i8(_mm_maskz_loadu_epi8(first_lanes(n), p));
}
// n <= kWidth lanes, rounded to nearest even; of magnitudes that float16 and int8 hold, or NaN.
inline void store_f16(void* p, V v, int64_t n) {
  _mm256_mask_storeu_epi16(
      p, first_lanes(n), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_i8(void* p, V v, int64_t n) {
  _mm_mask_storeu_epi8(p, first_lanes(n), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
}
// n <= kWidth lanes, rounded to nearest even.
inline void store_bf16(void* p, V v, int64_t n) {
  const __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(
      _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i nan = _mm512_or_si512(high, _mm512_set1_epi32(0x0040));
  const __m512i wide =
      _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), rounded, nan);
  _mm256_mask_storeu_epi16(p, first_lanes(n), _mm512_cvtepi32_epi16(wide));
}

// Element i of row j becomes element j of row i.
inline void transpose(V (&r)[kWidth]) {
  V t[16], u[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  // u[4 b + i], lane l: column 4 l + i of rows 4 b .. 4 b + 3.
  for (int i = 0; i < 4; ++i) {
    const V a = _mm512_shuffle_f32x4(u[i], u[i + 4], 0x88),
            b = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0x88);
    const V c = _mm512_shuffle_f32x4(u[i], u[i + 4], 0xdd),
            d = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0xdd);
    r[i] = _mm512_shuffle_f32x4(a, b, 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
  }
}
