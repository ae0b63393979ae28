// body/round_columns.h with AVX2's instructions, 32 columns at a time. Included inside the anonymous
// namespace of one instruction set's file, after body/quantised.h.

// Σ of each four bytes, for 32 columns.
inline __m256i sums_of_four(__m256i bytes) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
}

inline void round_columns(const float* from, QuantisedColumns& to) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  const auto bits_at = [&](int64_t i) {
    return _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(from + i)), magnitude);
  };
  __m256i largest[4] = {bits_at(0), bits_at(8), bits_at(16), bits_at(24)};
  for (int64_t i = 32; i < kBlockDepth; i += 32)
    for (int64_t j = 0; j < 4; ++j) largest[j] = _mm256_max_epi32(largest[j], bits_at(i + 8 * j));
  const __m256i both = _mm256_max_epi32(_mm256_max_epi32(largest[0], largest[1]),
                                        _mm256_max_epi32(largest[2], largest[3]));
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
  const __m256 inverse = _mm256_set1_ps(take_scale(_mm_cvtsi128_si32(most), to));

  // Adding 1.5 · 2^23 rounds to nearest even: the low byte of the sum is q.
  const __m256 round = _mm256_set1_ps(12582912.0f);
  const __m256i low = _mm256_set1_epi32(0xff);
  const auto rounded = [&](int64_t i) {
    const __m256 shifted =
        _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(from + i), inverse), round);
    return _mm256_and_si256(_mm256_castps_si256(shifted), low);
  };
  // Packing goes by halves of registers; this puts groups of four bytes into their order again.
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    const int64_t i = s * kSubDepth;
    const __m256i packed =
        _mm256_packus_epi16(_mm256_packus_epi32(rounded(i), rounded(i + 8)),
                            _mm256_packus_epi32(rounded(i + 16), rounded(i + 24)));
    const __m256i q = _mm256_permutevar8x32_epi32(packed, in_order);
    _mm256_store_si256(reinterpret_cast<__m256i*>(to.q + i), q);
    // A half of the register is 16 columns.
    __m256i sums = sums_of_four(q);
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0x4e));
    sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32(sums, 0xb1));
    const int32_t first = _mm256_extract_epi32(sums, 0), second = _mm256_extract_epi32(sums, 4);
    to.half_sums[2 * s] = static_cast<int16_t>(first);
    to.half_sums[2 * s + 1] = static_cast<int16_t>(second);
    to.sums[s] = static_cast<int16_t>(first + second);
  }
}
