// Element types of stored tensors and the 16-bit float conversions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace isthmus {

enum class DType {
  kF64,
  kF32,
  kF16,
  kBF16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU16,
  kU8,
  kBool,
  kQ4,
  kQ5,
  kQ6,
  kQ8
};

// kQ4 to kQ8 are blocks of 4- to 8-bit weights (kernels/quantised.h), of which no element has a
// size of its own.
bool is_quantised(DType dtype);
size_t size_of(DType dtype);
// "float32", "bfloat16", … as the published tools print them.
std::string_view name_of(DType dtype);
bool is_floating_point(DType dtype);

// Round to nearest even; NaN stays NaN, overflow becomes infinity.
uint16_t float_to_half(float value);
float half_to_float(uint16_t bits);
uint16_t float_to_bfloat16(float value);
float bfloat16_to_float(uint16_t bits);

}  // namespace isthmus
