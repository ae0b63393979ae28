// float32 multiplications and additions on registers.

int64_t peak(const PeakArgs& a) {
  constexpr int kSums = 12;  // two units that take four cycles need eight
  V sums[kSums];
  // From different values: else the twelve are one.
  for (int i = 0; i < kSums; ++i) sums[i] = splat(a.values[0] + static_cast<float>(i));
  const V x = splat(a.values[1]), y = splat(a.values[2]);
  for (int64_t round = 0; round < a.rounds; ++round)
    for (int i = 0; i < kSums; ++i) sums[i] = fma(sums[i], x, y);
  for (int i = 1; i < kSums; ++i) sums[0] = sums[0] + sums[i];
  a.values[0] = sum_lanes(sums[0]);
  return a.rounds * kSums * kWidth * 2;
}
