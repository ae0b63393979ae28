// 256 columns of a row of x to 8 bits, as the compiler vectorises it. Included inside the anonymous
// namespace of one instruction set's file, after body/quantised.h.
// The largest magnitude is compared as whole numbers, for which NaN is larger than infinity, and
// adding 1.5 · 2^23 rounds to nearest even: the low byte of the sum is q.

constexpr float kRound = 12582912.0f;

inline void round_columns(const float* from, QuantisedColumns& to) {
  int32_t largest = 0;
  for (int64_t i = 0; i < kBlockDepth; ++i) {
    int32_t bits;
    __builtin_memcpy(&bits, from + i, 4);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  const float inverse = take_scale(largest, to);
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    int32_t sums[2] = {};
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t first = s * kSubDepth + half * kSubDepth / 2;
      for (int64_t i = first; i < first + kSubDepth / 2; ++i) {
        const float shifted = from[i] * inverse + kRound;
        int32_t bits;
        __builtin_memcpy(&bits, &shifted, 4);
        const auto q = static_cast<int8_t>(bits & 0xff);
        to.q[i] = q;
        sums[half] += q;
      }
      to.half_sums[2 * s + half] = static_cast<int16_t>(sums[half]);
    }
    to.sums[s] = static_cast<int16_t>(sums[0] + sums[1]);
  }
}
