// Blocks of llama.cpp's types as floats, and back where we write them. Fields and arithmetic:
// ggml-common.h and ggml-quants.c, dequantize_row_* and quantize_row_*_ref; products and
// differences are rounded in the same order.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/dtype.h"
#include "formats/ggml_type.h"

namespace isthmus::formats {
namespace {

float half_at(const std::byte* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return half_to_float(bits);
}
uint8_t byte_at(const std::byte* at, int i) { return std::to_integer<uint8_t>(at[i]); }
int8_t signed_at(const std::byte* at, int i) { return static_cast<int8_t>(byte_at(at, i)); }

void q4_0(const std::byte* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    const uint8_t pair = byte_at(block + 2, i);
    out[i] = static_cast<float>((pair & 15) - 8) * d;
    out[i + 16] = static_cast<float>((pair >> 4) - 8) * d;
  }
}

void q4_1(const std::byte* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    const uint8_t pair = byte_at(block + 4, i);
    out[i] = static_cast<float>(pair & 15) * d + m;
    out[i + 16] = static_cast<float>(pair >> 4) * d + m;
  }
}

// The fifth bits of 32 elements, as 0 or 16.
int fifth(uint32_t high, int i) { return static_cast<int>((high >> i) & 1) << 4; }

void q5_0(const std::byte* block, float* out) {
  const float d = half_at(block);
  uint32_t high;
  std::memcpy(&high, block + 2, sizeof high);
  for (int i = 0; i < 16; ++i) {
    const uint8_t pair = byte_at(block + 6, i);
    out[i] = static_cast<float>(((pair & 15) | fifth(high, i)) - 16) * d;
    out[i + 16] = static_cast<float>(((pair >> 4) | fifth(high, i + 16)) - 16) * d;
  }
}

void q5_1(const std::byte* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  uint32_t high;
  std::memcpy(&high, block + 4, sizeof high);
  for (int i = 0; i < 16; ++i) {
    const uint8_t pair = byte_at(block + 8, i);
    out[i] = static_cast<float>((pair & 15) | fifth(high, i)) * d + m;
    out[i + 16] = static_cast<float>((pair >> 4) | fifth(high, i + 16)) * d + m;
  }
}

void q8_0(const std::byte* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(signed_at(block + 2, i)) * d;
}

void q2_k(const std::byte* block, float* out) {
  const std::byte *scales = block, *q = block + 16;
  const float d = half_at(block + 80), min = half_at(block + 82);
  for (int half = 0; half < 2; ++half, q += 32)
    for (int shift = 0; shift < 8; shift += 2)
      for (int part = 0; part < 2; ++part) {
        const uint8_t scale = byte_at(scales++, 0);
        const float dl = d * static_cast<float>(scale & 15),
                    ml = min * static_cast<float>(scale >> 4);
        for (int i = 0; i < 16; ++i)
          *out++ = dl * static_cast<float>((byte_at(q, 16 * part + i) >> shift) & 3) - ml;
      }
}

// Sixteen scales of six bits in twelve bytes: low halves first, the upper bits in the last four.
std::array<int, 16> q3_scales(const std::byte* packed) {
  std::array<int, 16> scales;
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? byte_at(packed, i) & 15 : byte_at(packed, i - 8) >> 4;
    const int high = (byte_at(packed, 8 + i % 4) >> (2 * (i / 4))) & 3;
    scales[static_cast<size_t>(i)] = (low | high << 4) - 32;
  }
  return scales;
}

void q3_k(const std::byte* block, float* out) {
  const std::byte *mask = block, *q = block + 32;
  const auto scales = q3_scales(block + 96);
  const float d = half_at(block + 108);
  size_t next = 0;
  int bit = 1;
  for (int half = 0; half < 2; ++half, q += 32)
    for (int shift = 0; shift < 8; shift += 2, bit <<= 1)
      for (int part = 0; part < 2; ++part) {
        const float dl = d * static_cast<float>(scales[next++]);
        for (int i = 16 * part; i < 16 * part + 16; ++i) {
          const int low = (byte_at(q, i) >> shift) & 3;
          *out++ = dl * static_cast<float>(low - ((byte_at(mask, i) & bit) != 0 ? 0 : 4));
        }
      }
}

struct ScaleAndMin {
  float scale, min;
};

// Eight scales and eight minima of six bits in twelve bytes.
ScaleAndMin k4_scale(const std::byte* packed, int i, float d, float min) {
  const auto at = [&](int j) { return static_cast<int>(byte_at(packed, j)); };
  const int s = i < 4 ? at(i) & 63 : (at(i + 4) & 15) | (at(i - 4) >> 6) << 4;
  const int m = i < 4 ? at(i + 4) & 63 : at(i + 4) >> 4 | (at(i) >> 6) << 4;
  return {d * static_cast<float>(s), min * static_cast<float>(m)};
}

void q4_k(const std::byte* block, float* out) {
  const float d = half_at(block), min = half_at(block + 2);
  const std::byte* q = block + 16;
  for (int pair = 0; pair < 4; ++pair, q += 32)
    for (int high = 0; high < 2; ++high) {
      const auto [scale, least] = k4_scale(block + 4, 2 * pair + high, d, min);
      for (int i = 0; i < 32; ++i)
        *out++ = scale * static_cast<float>((byte_at(q, i) >> (4 * high)) & 15) - least;
    }
}

void q5_k(const std::byte* block, float* out) {
  const float d = half_at(block), min = half_at(block + 2);
  const std::byte *upper = block + 16, *q = block + 48;
  for (int pair = 0; pair < 4; ++pair, q += 32)
    for (int high = 0; high < 2; ++high) {
      const int sub = 2 * pair + high;
      const auto [scale, least] = k4_scale(block + 4, sub, d, min);
      for (int i = 0; i < 32; ++i) {
        const int low = (byte_at(q, i) >> (4 * high)) & 15;
        const int fifth_bit = ((byte_at(upper, i) >> sub) & 1) << 4;
        *out++ = scale * static_cast<float>(low + fifth_bit) - least;
      }
    }
}

void q6_k(const std::byte* block, float* out) {
  const std::byte *low = block, *high = block + 128, *scales = block + 192;
  const float d = half_at(block + 208);
  for (int half = 0; half < 2; ++half, low += 64, high += 32, scales += 8)
    for (int quarter = 0; quarter < 4; ++quarter)
      for (int i = 0; i < 32; ++i) {
        const int nibble = (byte_at(low, i + 32 * (quarter % 2)) >> (4 * (quarter / 2))) & 15;
        const int upper = (byte_at(high, i) >> (2 * quarter)) & 3;
        const auto scale = static_cast<float>(signed_at(scales, 2 * quarter + i / 16));
        *out++ = d * scale * static_cast<float>((nibble | upper << 4) - 32);
      }
}

void f32(const std::byte* block, float* out) { std::memcpy(out, block, sizeof *out); }
void f16(const std::byte* block, float* out) { *out = half_at(block); }
void bf16(const std::byte* block, float* out) {
  uint16_t bits;
  std::memcpy(&bits, block, sizeof bits);
  *out = bfloat16_to_float(bits);
}

using ToFloats = void (*)(const std::byte*, float*);
ToFloats function_for(GgmlType type) {
  switch (type) {
    case GgmlType::kF32: return f32;
    case GgmlType::kF16: return f16;
    case GgmlType::kBF16: return bf16;
    case GgmlType::kQ4_0: return q4_0;
    case GgmlType::kQ4_1: return q4_1;
    case GgmlType::kQ5_0: return q5_0;
    case GgmlType::kQ5_1: return q5_1;
    case GgmlType::kQ8_0: return q8_0;
    case GgmlType::kQ2_K: return q2_k;
    case GgmlType::kQ3_K: return q3_k;
    case GgmlType::kQ4_K: return q4_k;
    case GgmlType::kQ5_K: return q5_k;
    case GgmlType::kQ6_K: return q6_k;
  }
  return nullptr;
}

void put_half(std::byte* at, uint16_t bits) { std::memcpy(at, &bits, sizeof bits); }

void to_q8_0(const float* values, std::byte* block) {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(values[i]));
  const float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
  put_half(block, float_to_half(d));
  for (int i = 0; i < 32; ++i)
    block[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(values[i] * inverse)));
}

}  // namespace

void ggml_to_floats(GgmlType type, const std::byte* blocks, int64_t count, float* out) {
  const GgmlBlock block = block_of(type);
  const ToFloats to_floats = function_for(type);
  for (int64_t i = 0; i < count; i += block.elements, blocks += block.bytes, out += block.elements)
    to_floats(blocks, out);
}

void floats_to_ggml(GgmlType type, const float* values, int64_t count, std::byte* out) {
  const GgmlBlock block = block_of(type);
  for (int64_t i = 0; i < count; i += block.elements, out += block.bytes) {
    switch (type) {
      case GgmlType::kF32: std::memcpy(out, values + i, sizeof(float)); break;
      case GgmlType::kF16: put_half(out, float_to_half(values[i])); break;
      case GgmlType::kBF16: put_half(out, float_to_bfloat16(values[i])); break;
      case GgmlType::kQ8_0: to_q8_0(values + i, out); break;
      default: ISTHMUS_CHECK(false, std::string(block.name) + " is not written");
    }
  }
}

}  // namespace isthmus::formats
