// Four floats in the compiler's portable vector type. Included inside the anonymous namespace of
// one file. Every instruction set's vec.h offers the same names; body/*.h is written against them.

typedef float V __attribute__((vector_size(16)));
typedef int32_t VI __attribute__((vector_size(16)));
constexpr int kWidth = 4;
constexpr int kRegisters = 16;
constexpr int kTileRows = 6;

inline V splat(float x) { return V{x, x, x, x}; }
inline V load(const void* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(void* p, V v) { __builtin_memcpy(p, &v, sizeof v); }
// The first n lanes, n < kWidth; the others are zero, or left as they are in memory.
inline V load_n(const void* p, int64_t n) {
  V v{};
  __builtin_memcpy(&v, p, static_cast<size_t>(n) * 4);
  return v;
}
inline void store_n(void* p, V v, int64_t n) {
  __builtin_memcpy(p, &v, static_cast<size_t>(n) * 4);
}

inline V fma(V a, V b, V c) { return a * b + c; }
// The second operand where either is NaN.
inline V min(V a, V b) { return a < b ? a : b; }
inline V max(V a, V b) { return a > b ? a : b; }
inline float sum_lanes(V a) { return (a[0] + a[2]) + (a[1] + a[3]); }
inline float max_lanes(V a) {
  float m = a[0];
  for (int i = 1; i < kWidth; ++i) m = a[i] > m ? a[i] : m;
  return m;
}

inline V widen_half(VI bits) {
  const VI sign = (bits & 0x8000) << 16, magnitude = (bits & 0x7fff) << 13;
  // Scaling by 2^112 moves the exponent and normalises subnormals at once.
  const V scaled = (V)magnitude * splat(0x1p112f);
  const VI special = (bits & 0x7c00) == 0x7c00;  // infinity, NaN: the exponent becomes all ones
  return (V)(((VI)scaled | (special & 0x7f800000)) | sign);
}
inline VI load_u16(const void* p, int64_t n) {
  uint16_t u[kWidth] = {};
  __builtin_memcpy(u, p, static_cast<size_t>(n) * 2);
  return VI{u[0], u[1], u[2], u[3]};
}
inline V load_f16(const void* p) { return widen_half(load_u16(p, kWidth)); }
inline V load_f16_n(const void* p, int64_t n) { return widen_half(load_u16(p, n)); }
inline V load_bf16(const void* p) { return (V)(load_u16(p, kWidth) << 16); }
inline V load_bf16_n(const void* p, int64_t n) { return (V)(load_u16(p, n) << 16); }
inline V load_i8_n(const void* p, int64_t n) {
  int8_t bytes[kWidth] = {};
  __builtin_memcpy(bytes, p, static_cast<size_t>(n));
  V v{};
  for (int i = 0; i < kWidth; ++i) v[i] = static_cast<float>(bytes[i]);
  return v;
}
inline V load_i8(const void* p) { return load_i8_n(p, kWidth); }
// n <= kWidth lanes, rounded to nearest even; of magnitudes that float16 and int8 hold, or NaN.
inline void store_f16(void* p, V v, int64_t n) {
  uint16_t halves[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    const float x = v[i];
    uint32_t bits;
    __builtin_memcpy(&bits, &x, 4);
    const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) {
      halves[i] = static_cast<uint16_t>(sign | 0x7e00u);
    } else if (bits < 0x38800000u) {  // subnormal: 0.5 leaves the rounded mantissa in the low bits
      float shifted;
      __builtin_memcpy(&shifted, &bits, 4);
      shifted += 0.5f;
      __builtin_memcpy(&bits, &shifted, 4);
      halves[i] = static_cast<uint16_t>(sign | (bits - 0x3f000000u));
    } else {
      halves[i] = static_cast<uint16_t>(
          sign | ((bits - 0x38000000u + 0xfffu + ((bits >> 13) & 1u)) >> 13));
    }
  }
  __builtin_memcpy(p, halves, static_cast<size_t>(n) * 2);
}
inline void store_i8(void* p, V v, int64_t n) {
  constexpr float kRoundToEven = 12582912.0f;  // 1.5 · 2^23
  int8_t bytes[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    const float rounded = (v[i] + kRoundToEven) - kRoundToEven;
    bytes[i] = static_cast<int8_t>(rounded == rounded ? rounded : 0.0f);
  }
  __builtin_memcpy(p, bytes, static_cast<size_t>(n));
}
// n <= kWidth lanes, rounded to nearest even.
inline void store_bf16(void* p, V v, int64_t n) {
  uint16_t u[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    uint32_t bits;
    const float x = v[i];
    __builtin_memcpy(&bits, &x, 4);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    u[i] = static_cast<uint16_t>(x != x ? (bits >> 16) | 0x0040u : rounded);
  }
  __builtin_memcpy(p, u, static_cast<size_t>(n) * 2);
}

// Element i of row j becomes element j of row i.
inline void transpose(V (&r)[kWidth]) {
  for (int i = 0; i < kWidth; ++i) {
    for (int j = i + 1; j < kWidth; ++j) {
      const float t = r[i][j];
      r[i][j] = r[j][i];
      r[j][i] = t;
    }
  }
}
