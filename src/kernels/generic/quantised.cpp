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

#include "kernels/body/quantised.h"
#include "kernels/body/round_columns.h"
#include "kernels/body/quantise_weights.h"

template <class Block>
struct Unpacked {
  const Block* block;
};
template <class Block>
void unpack(const Block& block, Unpacked<Block>& to) {
  to.block = &block;
}

// Of Q4 and Q5.
template <class Block>
float product(const Block& w, const QuantisedColumns& x, int64_t row) {
  float scaled = 0;
  int32_t min = 0;
  for (int64_t s = 0; s < kSubBlocks; ++s) {
    int32_t sum = 0;
    for (int64_t i = 0; i < kSubDepth; ++i)
      sum += level_of(w, s, i / 4, 4 * row + i % 4) * x.q[s * kSubDepth + i];
    scaled += static_cast<float>(sum) * static_cast<float>(w.scale[s][row]);
    min += w.min[s][row] * x.sums[s];
  }
  return x.scale *
         (scaled * half_to_float(w.d[row]) - static_cast<float>(min) * half_to_float(w.dmin[row]));
}

float product(const Q6Block& w, const QuantisedColumns& x, int64_t row) {
  int32_t scaled = 0;
  for (int64_t s = 0; s < 2 * kSubBlocks; ++s) {
    int32_t sum = 0;
    for (int64_t i = s % 2 * kHalfDepth; i < (s % 2 + 1) * kHalfDepth; ++i)
      sum += (level_of(w, s / 2, i / 4, 4 * row + i % 4) - kQ6Offset) *
             x.q[s / 2 * kSubDepth + i];
    scaled += w.scale[s][row] * sum;
  }
  return x.scale * (static_cast<float>(scaled) * half_to_float(w.d[row]));
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

template <int R, class Block>
void tile(const Unpacked<Block>* w, const QuantisedColumns* x, float* sums) {
  static_assert(R == 1);
  for (int64_t row = 0; row < kGroupRows; ++row) sums[row] += product(*w->block, *x, row);
}
template <int M, class Block>
void few(const Block&, const Block*, const QuantisedColumns*, float*) {}

#include "kernels/body/quantised_multiply.h"

int64_t peak(const PeakArgs& a) {
  constexpr int kSums = 64;
  int32_t sums[kSums] = {};
  int8_t w[kSums], x[kSums];
  for (int i = 0; i < kSums; ++i) {
    w[i] = static_cast<int8_t>(a.values[1]);
    x[i] = static_cast<int8_t>(a.values[2]);
  }
  for (int64_t round = 0; round < a.rounds; ++round) {
    asm volatile("" : : "r"(w), "r"(x) : "memory");  // else all rounds are one
    for (int i = 0; i < kSums; ++i) sums[i] += w[i] * x[i];
  }
  for (int i = 1; i < kSums; ++i) sums[0] += sums[i];
  a.values[0] = static_cast<float>(sums[0]);
  return a.rounds * kSums * 2;
}

}  // namespace

const QuantisedTable kGenericQuantised = {
    "generic", kMostRows, kTileRows, kMostGroups, quantise_rows, kind<Q4Block>, kind<Q5Block>,
    kind<Q6Block>, kind<Q8Block>, peak};

}  // namespace isthmus::kernels
