// How llama.cpp stores the elements of a tensor: plain numbers, or blocks of few bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace isthmus::formats {

// How the elements of a tensor are stored; the numbers are those in files.
enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

// A block holds so many elements of a row in so many bytes.
struct GgmlBlock {
  std::string_view name;  // "Q4_K"
  int64_t elements;
  size_t bytes;
};
GgmlBlock block_of(GgmlType type);

// The first `count` elements, which are whole blocks, as floats: bit for bit what llama.cpp's
// to_float gives.
void ggml_to_floats(GgmlType type, const std::byte* blocks, int64_t count, float* out);
// The other way, for F32, F16, BF16 and Q8_0, as llama.cpp's from_float does; `count` elements are
// whole blocks.
void floats_to_ggml(GgmlType type, const float* values, int64_t count, std::byte* out);

}  // namespace isthmus::formats
