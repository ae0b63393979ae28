// Writes GGUF files, version 3.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "formats/ggml_type.h"
#include "formats/outgoing_tensor.h"

namespace isthmus::formats {

// The types of values that llama.cpp's own converters write.
using GgufEntryValue = std::variant<bool, uint32_t, float, std::string, std::vector<int32_t>,
                                    std::vector<float>, std::vector<std::string>>;

struct GgufEntry {
  std::string key;
  GgufEntryValue value;
};

// How a tensor is stored; its values are floating-point numbers of whatever type.
struct GgufOutgoing {
  OutgoingTensor tensor;
  GgmlType type;  // F32, F16, BF16 or Q8_0
};

// Entries and tensors in the order given; values are taken one tensor at a time. The file appears
// whole or not at all. Throws ModelError for a row that is no whole number of blocks, ResourceError
// for a full disk.
void write_gguf(const std::filesystem::path& path, std::span<const GgufEntry> metadata,
                std::span<const GgufOutgoing> tensors);

}  // namespace isthmus::formats
