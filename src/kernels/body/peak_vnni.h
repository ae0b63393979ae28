// Sums of four products of bytes on registers.

int64_t peak(const PeakArgs& a) {
  constexpr int kSums = 12;  // two units that take five cycles need ten
  VI sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = splat(i);  // different: else the twelve are one
  const VI w = splat_byte(static_cast<uint8_t>(a.values[1])), x = splat_byte(static_cast<uint8_t>(a.values[2]));
  for (int64_t round = 0; round < a.rounds; ++round)
    for (int i = 0; i < kSums; ++i) sums[i] = dot_bytes(sums[i], w, x);
  for (int i = 1; i < kSums; ++i) sums[0] = add(sums[0], sums[i]);
  alignas(64) float lanes[kLanes];
  store_floats(lanes, to_floats(sums[0]));
  a.values[0] = lanes[0];
  return a.rounds * kSums * kLanes * 8;
}
