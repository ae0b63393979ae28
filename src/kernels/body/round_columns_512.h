// body/round_columns.h with AVX-512's instructions and VNNI, 64 columns at a time. Included inside the
// anonymous namespace of one instruction set's file, after body/quantised.h.

// Sums of neighbours: eight of a, eight of b by quarters of the registers.
inline __m512i sums_of_two(__m512i a, __m512i b) {
  return _mm512_madd_epi16(_mm512_packs_epi32(a, b), _mm512_set1_epi16(1));
}

inline void round_columns(const float* from, QuantisedColumns& to) {
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const auto bits_at = [&](int64_t i) {
    return _mm512_and_si512(_mm512_castps_si512(_mm512_loadu_ps(from + i)), magnitude);
  };
  __m512i largest[4] = {bits_at(0), bits_at(16), bits_at(32), bits_at(48)};
  for (int64_t i = 64; i < kBlockDepth; i += 64)
    for (int64_t j = 0; j < 4; ++j) largest[j] = _mm512_max_epi32(largest[j], bits_at(i + 16 * j));
  const __m512i both = _mm512_max_epi32(_mm512_max_epi32(largest[0], largest[1]),
                                        _mm512_max_epi32(largest[2], largest[3]));
  const __m512 inverse = _mm512_set1_ps(take_scale(_mm512_reduce_max_epi32(both), to));

  __m512i of_four[4];  // sums of each four columns
  for (int64_t k = 0; k < 4; ++k) {
    for (int64_t i = 64 * k; i < 64 * (k + 1); i += 16) {
      const __m512i q =
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(from + i), inverse));  // to even
      _mm_store_si128(reinterpret_cast<__m128i*>(to.q + i), _mm512_cvtepi32_epi8(q));
    }
    of_four[k] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1),
                                     _mm512_load_si512(to.q + 64 * k));
  }
  // Lane 4 i + k becomes the sum of columns 64 k + 16 i and the fifteen behind.
  const __m512i by_quarter = sums_of_two(sums_of_two(of_four[0], of_four[1]),
                                         sums_of_two(of_four[2], of_four[3]));
  const __m512i in_order =
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m256i half_sums =
      _mm512_cvtepi32_epi16(_mm512_permutexvar_epi32(in_order, by_quarter));
  _mm256_store_si256(reinterpret_cast<__m256i*>(to.half_sums), half_sums);
  _mm_store_si128(reinterpret_cast<__m128i*>(to.sums),
                  _mm256_cvtepi32_epi16(_mm256_madd_epi16(half_sums, _mm256_set1_epi16(1))));
}
