#include "families/output.h"

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::families {

std::optional<DType> output_dtype(std::string_view text, DType reference) {
  if (text == "reference") return reference;
  if (text == "stored") return std::nullopt;
  if (text == "f32") return DType::kF32;
  if (text == "f16") return DType::kF16;
  if (text == "bf16") return DType::kBF16;
  throw UsageError(fmt::format(
      "\"{}\" is no type of saved weights; known are reference, stored, f32, f16, bf16", text));
}

GgufStorage parse_gguf_storage(std::string_view text) {
  if (text == "f32") return GgufStorage::kF32;
  if (text == "f16") return GgufStorage::kF16;
  if (text == "q8_0") return GgufStorage::kQ8_0;
  throw UsageError(fmt::format(
      "\"{}\" is no type of weights in GGUF files here; known are f32, f16, q8_0", text));
}

}  // namespace isthmus::families
