// Plain loops: the definition, and the path of CPUs without AVX2.
#include "kernels/quantised.h"
#include "kernels/tables.h"

namespace isthmus::kernels {
namespace {

constexpr int kTileRows = 1, kGroupsAtOnce = 1, kFewRows = 0;

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t rest = half & 0x7fffu;
  float value;
  if (rest < 0x0400u) {  // zero and subnormal
    value = static_cast<float>(rest) * 5.9604644775390625e-08f;
  } else {
    const uint32_t bits = (rest << 13) + (rest >= 0x7c00u ? 0x70000000u : 0x38000000u);
    __builtin_memcpy(&value, &bits, 4);
  }
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  bits |= sign;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}

// Finite values of at most the largest half.
uint16_t float_to_half(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  bits &= 0x7fffffffu;
  if (bits < 0x38800000u) {  // subnormal: 0.5 leaves the rounded mantissa in the low bits
    float shifted;
    __builtin_memcpy(&shifted, &bits, 4);
    shifted += 0.5f;
    __builtin_memcpy(&bits, &shifted, 4);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000u));
  }
  return static_cast<uint16_t>(sign | ((bits - 0x38000000u + 0xfffu + ((bits >> 13) & 1u)) >> 13));
}

template <class Block>
struct Unpacked;
template <int R, class U>
void tile(const U* w, const QuantisedColumns* x, int64_t x_stride, float* sums);
template <int M, class Block>
void few(const Block&, const QuantisedColumns*, int64_t, float*) {}

#include "kernels/body/quantised.h"
#include "kernels/body/quantise_weights.h"

template <>
struct Unpacked<Q4Block> {
  const Q4Block* block;
};
template <>
struct Unpacked<Q8Block> {
  const Q8Block* block;
};
template <class Block>
void unpack(const Block& block, Unpacked<Block>& to) {
  to.block = &block;
}

float product(const Q4Block& w, const QuantisedColumns& x, int64_t row) {
  float scaled = 0;
  int32_t min = 0;
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    int32_t sum = 0;
    for (int64_t i = 0; i < kSubDepth; ++i) {
      const int both = w.q[s / 2][i / 4][4 * row + i % 4];
      sum += (s % 2 != 0 ? both >> 4 : both & 15) * x.q[s * kSubDepth + i];
    }
    scaled += static_cast<float>(sum) * static_cast<float>(w.scale[s][row]);
    min += w.min[s][row] * x.sums[s];
  }
  return x.scale *
         (scaled * half_to_float(w.d[row]) - static_cast<float>(min) * half_to_float(w.dmin[row]));
}

float product(const Q8Block& w, const QuantisedColumns& x, int64_t row) {
  float scaled = 0;
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    int32_t sum = 0;
    for (int64_t i = 0; i < kSubDepth; ++i)
      sum += (w.q[s][i / 4][4 * row + i % 4] - kQ8Offset) * x.q[s * kSubDepth + i];
    scaled += static_cast<float>(sum) * half_to_float(w.d[s][row]);
  }
  return x.scale * scaled;
}

template <int R, class U>
void tile(const U* w, const QuantisedColumns* x, int64_t, float* sums) {
  static_assert(R == 1);
  for (int64_t row = 0; row < kGroupRows; ++row) sums[row] += product(*w->block, *x, row);
}

}  // namespace

const QuantisedTable kGenericQuantised = {
    "generic",       quantise_rows, multiply<Q4Block>, multiply<Q8Block>,
    dequantise_q4, dequantise_q8, quantise_q4,       quantise_q8,
};

}  // namespace isthmus::kernels
