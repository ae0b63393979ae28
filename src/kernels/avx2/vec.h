// Eight floats in a ymm register. Included inside the anonymous namespace of one file.

typedef __m256 V;
typedef int32_t VI __attribute__((vector_size(32)));
constexpr int kWidth = 8;
constexpr int kRegisters = 16;
constexpr int kTileRows = 6;

inline V splat(float x) { return _mm256_set1_ps(x); }
inline V load(const void* p) { return _mm256_loadu_ps(static_cast<const float*>(p)); }
inline void store(void* p, V v) { _mm256_storeu_ps(static_cast<float*>(p), v); }
inline __m256i first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
// The first n lanes, n < kWidth; the others are zero, or left as they are in memory.
inline V load_n(const void* p, int64_t n) {
  return _mm256_maskload_ps(static_cast<const float*>(p), first_lanes(n));
}
inline void store_n(void* p, V v, int64_t n) {
  _mm256_maskstore_ps(static_cast<float*>(p), first_lanes(n), v);
}

inline V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
// The second operand where either is NaN.
inline V min(V a, V b) { return _mm256_min_ps(a, b); }
inline V max(V a, V b) { return _mm256_max_ps(a, b); }
inline float sum_lanes(V a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
inline float max_lanes(V a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

inline __m128i load_u16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline __m128i load_u16_n(const void* p, int64_t n) {
  uint16_t u[kWidth] = {};
  __builtin_memcpy(u, p, static_cast<size_t>(n) * 2);
  return load_u16(u);
}
inline V widen_bf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline V load_f16(const void* p) { return _mm256_cvtph_ps(load_u16(p)); }
inline V load_f16_n(const void* p, int64_t n) { return _mm256_cvtph_ps(load_u16_n(p, n)); }
inline V load_bf16(const void* p) { return widen_bf16(load_u16(p)); }
inline V load_bf16_n(const void* p, int64_t n) { return widen_bf16(load_u16_n(p, n)); }
inline V widen_i8(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }
inline V load_i8(const void* p) {
  return widen_i8(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
}
inline V load_i8_n(const void* p, int64_t n) {
  int8_t bytes[16] = {};
  __builtin_memcpy(bytes, p, static_cast<size_t>(n));
  return load_i8(bytes);
}
// n <= kWidth lanes, rounded to nearest even; of magnitudes that float16 and int8 hold, or NaN.
inline void store_f16(void* p, V v, int64_t n) {
  const __m128i narrow = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __builtin_memcpy(p, &narrow, static_cast<size_t>(n) * 2);
}
inline void store_i8(void* p, V v, int64_t n) {
  const __m256i wide = _mm256_cvtps_epi32(v);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  const __m128i narrow = _mm_packs_epi16(words, words);
  __builtin_memcpy(p, &narrow, static_cast<size_t>(n));
}
// n <= kWidth lanes, rounded to nearest even.
inline void store_bf16(void* p, V v, int64_t n) {
  const __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(
      _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i nan = _mm256_or_si256(high, _mm256_set1_epi32(0x0040));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const __m256i wide = _mm256_blendv_epi8(rounded, nan, is_nan);
  const __m128i narrow =
      _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  __builtin_memcpy(p, &narrow, static_cast<size_t>(n) * 2);
}

// Element i of row j becomes element j of row i.
inline void transpose(V (&r)[kWidth]) {
  V t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}
