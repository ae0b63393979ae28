// Products on vpdpbusd, which sums four 8-bit products into a 32-bit lane. Included inside the
// anonymous namespace of one instruction set's file, after body/quantised.h. A lane is a row of W.
// The file defines before it, for its width,
//   VI, VF, kLanes                registers of whole numbers and of floats, lanes in one
//   load_bytes, store_bytes, load_floats, store_floats, load_halves, widen (8 bits to a lane)
//   splat(int), splat(float), splat_byte
//   splat_quad(p)                 four columns of x in every lane, or two sums
//   bits_and, bits_or, shift_left<n>, shift_right<n> (of 16 bits), shift_words_up (16 of 32)
//   add_masked(low, bits, mask)   low | (bits & mask)
//   add, dot_bytes, dot_words, to_floats, fma, fnmadd, mul

constexpr int kRegistersOfGroup = kGroupRows / kLanes;
constexpr int kTileRegisters = kGroupsAtOnce * kRegistersOfGroup;

inline VI zeros() { return splat(0); }

// ---- a kind of block: how many scales its 256 columns have, and 64 bytes of its levels.

template <class Block>
constexpr int kScales = kSubBlocks;
template <>
constexpr int kScales<Q6Block> = 2 * kSubBlocks;

constexpr uint8_t kLowHalf = 15, kFifthBit = 16, kUpperBits = 48;

template <int n>
inline VI shifted(VI v) {
  if constexpr (n >= 0) {
    return shift_left<n>(v);
  } else {
    return shift_right<-n>(v);
  }
}

// The bits above the low four of sub-block s, where they belong; `at` bytes into quad k.
template <int s>
inline VI with_upper(const Q4Block&, int, int, VI low) {
  return low;
}
template <int s>
inline VI with_upper(const Q5Block& w, int k, int at, VI low) {
  return add_masked(low, shifted<4 - s>(load_bytes(w.fifth[k] + at)), splat_byte(kFifthBit));
}
template <int s>
inline VI with_upper(const Q6Block& w, int k, int at, VI low) {
  return add_masked(low, shifted<4 - s % 4 * 2>(load_bytes(w.upper[s / 4][k] + at)),
                    splat_byte(kUpperBits));
}

// Levels of quad k of sub-blocks 2 i and 2 i + 1, which share their bytes.
template <int i, class Block>
inline void levels_of(const Block& w, int k, int at, VI& even, VI& odd) {
  const VI both = load_bytes(w.q[i][k] + at), low = splat_byte(kLowHalf);
  even = with_upper<2 * i>(w, k, at, bits_and(both, low));
  odd = with_upper<2 * i + 1>(w, k, at, bits_and(shift_right<4>(both), low));
}

// What is taken off, d_off · Σ pair · sums: mins of Q4 and Q5, of Q6 the scales times the offset.
template <class Block>
inline VI pair_of(const Block& w, int i, int at) {
  return bits_or(widen(w.min[2 * i] + at), shift_words_up(widen(w.min[2 * i + 1] + at)));
}
inline VI pair_of(const Q6Block& w, int i, int at) {
  return bits_or(bits_and(widen(w.scale[2 * i] + at), splat(0xffff)),
                 shift_words_up(widen(w.scale[2 * i + 1] + at)));
}
template <class Block>
inline VF offset_of(const Block& w, int at) {
  return load_halves(w.dmin + at);
}
inline VF offset_of(const Q6Block& w, int at) {
  return mul(load_halves(w.d + at), splat(static_cast<float>(kQ6Offset)));
}
template <class Block>
inline const int16_t* sums_of(const QuantisedColumns& x) {
  return x.sums;
}
template <>
inline const int16_t* sums_of<Q6Block>(const QuantisedColumns& x) {
  return x.half_sums;
}

// ---- many rows of x

template <class Block>
struct alignas(64) Unpacked {
  uint8_t q[kSubBlocks * kSubQuads][64];
  float scale[kScales<Block>][kGroupRows], d[kGroupRows], offset[kGroupRows];
  int32_t pairs[kScales<Block> / 2][kGroupRows];
};

template <int i, class Block>
inline void unpack_levels(const Block& w, Unpacked<Block>& to) {
  for (int k = 0; k < kSubQuads; ++k)
    for (int at = 0; at < 4 * kGroupRows; at += 4 * kLanes) {
      VI even, odd;
      levels_of<i>(w, k, at, even, odd);
      store_bytes(to.q[2 * i * kSubQuads + k] + at, even);
      store_bytes(to.q[(2 * i + 1) * kSubQuads + k] + at, odd);
    }
}

template <class Block>
void unpack(const Block& w, Unpacked<Block>& to) {
  unpack_levels<0>(w, to);
  unpack_levels<1>(w, to);
  unpack_levels<2>(w, to);
  unpack_levels<3>(w, to);
  for (int at = 0; at < kGroupRows; at += kLanes) {
    for (int s = 0; s < kScales<Block>; ++s)
      store_floats(to.scale[s] + at, to_floats(widen(w.scale[s] + at)));
    for (int i = 0; i < kScales<Block> / 2; ++i) store_bytes(to.pairs[i] + at, pair_of(w, i, at));
    store_floats(to.d + at, load_halves(w.d + at));
    store_floats(to.offset + at, offset_of(w, at));
  }
}

// Levels are read where they are.
template <>
struct alignas(64) Unpacked<Q8Block> {
  const uint8_t (*q)[64];
  alignas(64) float scale[kSubBlocks][kGroupRows];
};

void unpack(const Q8Block& w, Unpacked<Q8Block>& to) {
  to.q = w.q[0];
  for (int s = 0; s < kSubBlocks; ++s)
    for (int at = 0; at < kGroupRows; at += kLanes)
      store_floats(to.scale[s] + at, load_halves(w.d[s] + at));
}

template <class Block>
inline VI start_of(const QuantisedColumns&, int) {
  return zeros();
}
// Σ (q - 128) x = Σ q x - 128 Σ x
template <>
inline VI start_of<Q8Block>(const QuantisedColumns& x, int s) {
  return splat(-kQ8Offset * x.sums[s]);
}

template <class Block>
inline VF finished(const Unpacked<Block>& w, const QuantisedColumns& x, int at, VF scaled) {
  VI off = zeros();
#pragma GCC unroll 8
  for (int i = 0; i < kScales<Block> / 2; ++i)
    off = dot_words(off, load_bytes(w.pairs[i] + at), splat_quad(sums_of<Block>(x) + 2 * i));
  return fnmadd(to_floats(off), load_floats(w.offset + at), mul(scaled, load_floats(w.d + at)));
}
inline VF finished(const Unpacked<Q8Block>&, const QuantisedColumns&, int, VF scaled) {
  return scaled;
}

// R rows of x by all registers of a tile: sums of whole numbers over the columns of one scale, and
// as many of floats.
template <int R, class Block>
inline void tile(const Unpacked<Block>* w, const QuantisedColumns* x, float* sums) {
  constexpr int T = kTileRegisters, kQuads = kBlockDepth / 4 / kScales<Block>;
  const auto part = [&](int t) -> const Unpacked<Block>& { return w[t / kRegistersOfGroup]; };
  const auto lane = [](int t) { return t % kRegistersOfGroup * kLanes; };
  VF scaled[R][T];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int t = 0; t < T; ++t) scaled[r][t] = splat(0.0f);
  for (int s = 0; s < kScales<Block>; ++s) {
    VI sum[R][T];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int t = 0; t < T; ++t) sum[r][t] = start_of<Block>(x[r], s);
    // From 0 to a constant: else each round begins with a choice of where to enter it.
#pragma GCC unroll 8
    for (int i = 0; i < kQuads; ++i) {
      const int k = s * kQuads + i;
      VI weights[T];
#pragma GCC unroll 2
      for (int t = 0; t < T; ++t) weights[t] = load_bytes(part(t).q[k] + 4 * lane(t));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const VI quad = splat_quad(x[r].q + 4 * k);
#pragma GCC unroll 2
        for (int t = 0; t < T; ++t) sum[r][t] = dot_bytes(sum[r][t], weights[t], quad);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int t = 0; t < T; ++t)
        scaled[r][t] =
            fma(to_floats(sum[r][t]), load_floats(part(t).scale[s] + lane(t)), scaled[r][t]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const VF scale = splat(x[r].scale);
#pragma GCC unroll 2
    for (int t = 0; t < T; ++t) {
      float* to = sums + r * kTileCols + t * kLanes;
      const VF value = finished(part(t), x[r], lane(t), scaled[r][t]);
      store_floats(to, fma(value, scale, load_floats(to)));
    }
  }
}

// ---- few rows of x: a block is read once, in place

// The sums of a sub-block over two accumulators, which for one scale are but one sum and for two its
// halves.
template <class Block>
constexpr bool kHasHalves = kScales<Block> > kSubBlocks;

template <class Block>
inline VF add_scaled(const Block& w, int s, int at, const VI (&sum)[2], VF to) {
  if constexpr (kHasHalves<Block>) {
    to = fma(to_floats(sum[0]), to_floats(widen(w.scale[2 * s] + at)), to);
    return fma(to_floats(sum[1]), to_floats(widen(w.scale[2 * s + 1] + at)), to);
  } else {
    return fma(to_floats(add(sum[0], sum[1])), to_floats(widen(w.scale[s] + at)), to);
  }
}

template <int M, int i, class Block>
inline void few_pair(const Block& w, const QuantisedColumns* x, int at,
                     VF (&scaled)[M], VI (&off)[M]) {
  VI even[M][2], odd[M][2];
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) even[j][0] = even[j][1] = odd[j][0] = odd[j][1] = zeros();
#pragma GCC unroll 8
  for (int k = 0; k < kSubQuads; ++k) {
    VI w0, w1;
    levels_of<i>(w, k, 4 * at, w0, w1);
    const int part = kHasHalves<Block> ? k / (kSubQuads / 2) : k % 2;
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j) {
      const int8_t* q = x[j].q + 2 * i * kSubDepth + 4 * k;
      even[j][part] = dot_bytes(even[j][part], w0, splat_quad(q));
      odd[j][part] = dot_bytes(odd[j][part], w1, splat_quad(q + kSubDepth));
    }
  }
  constexpr int kPairs = kScales<Block> / kSubBlocks;
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) {
    scaled[j] = add_scaled(w, 2 * i, at, even[j], scaled[j]);
    scaled[j] = add_scaled(w, 2 * i + 1, at, odd[j], scaled[j]);
#pragma GCC unroll 2
    for (int p = i * kPairs; p < (i + 1) * kPairs; ++p)
      off[j] = dot_words(off[j], pair_of(w, p, at),
                         splat_quad(sums_of<Block>(x[j]) + 2 * p));
  }
}

template <int M, class Block>
inline void few_of(const Block& w, Ahead<Block>& ahead, const QuantisedColumns* x, int at,
                   VF (&values)[M]) {
  VI off[M];
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) {
    values[j] = splat(0.0f);
    off[j] = zeros();
  }
  ahead.some();
  few_pair<M, 0>(w, x, at, values, off);
  ahead.some();
  few_pair<M, 1>(w, x, at, values, off);
  ahead.some();
  few_pair<M, 2>(w, x, at, values, off);
  ahead.some();
  few_pair<M, 3>(w, x, at, values, off);
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j)
    values[j] =
        fnmadd(to_floats(off[j]), offset_of(w, at), mul(values[j], load_halves(w.d + at)));
}

template <int M>
inline void few_of(const Q8Block& w, Ahead<Q8Block>& ahead, const QuantisedColumns* x, int at,
                   VF (&values)[M]) {
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) values[j] = splat(0.0f);
#pragma GCC unroll 2
  for (int s = 0; s < kSubBlocks; ++s) {
    ahead.some();
    VI sum[M][2];
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j) {
      sum[j][0] = start_of<Q8Block>(x[j], s);
      sum[j][1] = zeros();
    }
#pragma GCC unroll 8
    for (int k = 0; k < kSubQuads; ++k) {
      const VI weights = load_bytes(w.q[s][k] + 4 * at);
#pragma GCC unroll 4
      for (int j = 0; j < M; ++j)
        sum[j][k % 2] = dot_bytes(sum[j][k % 2], weights,
                                  splat_quad(x[j].q + s * kSubDepth + 4 * k));
    }
    const VF d = load_halves(w.d[s] + at);
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j)
      values[j] = fma(to_floats(add(sum[j][0], sum[j][1])), d, values[j]);
  }
}

template <int M, class Block>
inline void few(const Block& w, const Block* next, const QuantisedColumns* x, float* sums) {
  constexpr bool kByScale = std::is_same_v<Block, Q8Block>;
  Ahead<Block> ahead{next, kRegistersOfGroup * (kByScale ? kSubBlocks : kSubBlocks / 2)};
#pragma GCC unroll 2
  for (int at = 0; at < kGroupRows; at += kLanes) {
    VF values[M];
    few_of<M>(w, ahead, x, at, values);
#pragma GCC unroll 4
    for (int j = 0; j < M; ++j) {
      float* to = sums + j * kGroupRows + at;
      store_floats(to, fma(values[j], splat(x[j].scale), load_floats(to)));
    }
  }
}
