// Little-endian fields of foreign files, and names from them that are safe to print.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace isthmus::formats {

static_assert(std::endian::native == std::endian::little, "files are mapped, not byte-swapped");

// The caller has checked that offset + sizeof(T) <= bytes.size().
template <typename T>
T read_le(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <typename T>
void append_le(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Names come from hostile files: control characters and what is no UTF-8 become '?', long ones are
// cut.
std::string printable(std::string_view name);

}  // namespace isthmus::formats
