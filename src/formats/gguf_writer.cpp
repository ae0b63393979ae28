#include "formats/gguf_writer.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/check.h"
#include "formats/bytes.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

constexpr size_t kAlignment = 32;

enum class ValueType : uint32_t {
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9
};

void put_text(std::string& out, std::string_view text) {
  append_le(out, static_cast<uint64_t>(text.size()));
  out += text;
}

template <typename T>
constexpr ValueType type_of() {
  if constexpr (std::is_same_v<T, bool>) return ValueType::kBool;
  if constexpr (std::is_same_v<T, uint32_t>) return ValueType::kU32;
  if constexpr (std::is_same_v<T, int32_t>) return ValueType::kI32;
  if constexpr (std::is_same_v<T, float>) return ValueType::kF32;
  return ValueType::kString;
}

template <typename T>
void put(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>)
    put_text(out, value);
  else if constexpr (std::is_same_v<T, bool>)
    append_le(out, static_cast<uint8_t>(value));
  else
    append_le(out, value);
}

template <typename T>
void put_value(std::string& out, const T& value) {
  append_le(out, type_of<T>());
  put(out, value);
}

template <typename T>
void put_value(std::string& out, const std::vector<T>& list) {
  append_le(out, ValueType::kArray);
  append_le(out, type_of<T>());
  append_le(out, static_cast<uint64_t>(list.size()));
  for (const T& value : list) put(out, value);
}

size_t padded(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

size_t stored_bytes(const GgufOutgoing& outgoing) {
  const GgmlBlock block = block_of(outgoing.type);
  const Shape& shape = outgoing.tensor.shape;
  const int64_t row = shape.empty() ? 1 : shape.back();
  const auto count = num_elements(shape);
  ISTHMUS_CHECK(count.has_value(), outgoing.tensor.name);
  if (row % block.elements != 0)
    throw ModelError(fmt::format("{}: rows of {} elements, {} needs whole blocks of {}",
                                 outgoing.tensor.name, row, block.name, block.elements));
  return static_cast<size_t>(*count / block.elements) * block.bytes;
}

std::string header(std::span<const GgufEntry> metadata, std::span<const GgufOutgoing> tensors) {
  std::string out = "GGUF";
  append_le(out, uint32_t{3});
  append_le(out, static_cast<uint64_t>(tensors.size()));
  append_le(out, static_cast<uint64_t>(metadata.size()));
  for (const GgufEntry& entry : metadata) {
    put_text(out, entry.key);
    std::visit([&](const auto& value) { put_value(out, value); }, entry.value);
  }
  uint64_t offset = 0;
  for (const GgufOutgoing& outgoing : tensors) {
    const Shape& shape = outgoing.tensor.shape;
    put_text(out, outgoing.tensor.name);
    append_le(out, static_cast<uint32_t>(shape.size()));
    for (size_t d = shape.size(); d-- > 0;) append_le(out, static_cast<uint64_t>(shape[d]));
    append_le(out, outgoing.type);
    append_le(out, offset);
    offset += padded(stored_bytes(outgoing));
  }
  out.resize(padded(out.size()));
  return out;
}

void write_values(AtomicFile& file, const GgufOutgoing& outgoing) {
  const GgmlBlock block = block_of(outgoing.type);
  const std::vector<float> values = to_floats(outgoing.tensor.values());
  ISTHMUS_CHECK(num_elements(outgoing.tensor.shape) == static_cast<int64_t>(values.size()),
                outgoing.tensor.name + " is not what was announced");
  constexpr size_t kPiece = size_t{1} << 18;  // elements, whole blocks of every type
  std::vector<std::byte> bytes;
  for (size_t first = 0; first < values.size(); first += kPiece) {
    const size_t count = std::min(kPiece, values.size() - first);
    bytes.resize(count / static_cast<size_t>(block.elements) * block.bytes);
    floats_to_ggml(outgoing.type, values.data() + first, static_cast<int64_t>(count), bytes.data());
    file.write(bytes);
  }
}

}  // namespace

void write_gguf(const std::filesystem::path& path, std::span<const GgufEntry> metadata,
                std::span<const GgufOutgoing> tensors) {
  AtomicFile file(path);
  file.write(header(metadata, tensors));
  for (const GgufOutgoing& outgoing : tensors) {
    write_values(file, outgoing);
    file.write(std::string(padded(file.position()) - file.position(), '\0'));
  }
  file.commit();
}

}  // namespace isthmus::formats
