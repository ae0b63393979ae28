// A fingerprint of bytes, to recognise content seen before.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace isthmus {

// 128 bits of XXH3: two contents that differ share one by accident with a chance of 2^-128. It is
// no defence against somebody who makes such contents on purpose.
struct ContentHash {
  uint64_t high, low;
  auto operator<=>(const ContentHash&) const = default;
  std::string hex() const;  // 32 digits
};

ContentHash hash_bytes(std::span<const std::byte> bytes);
// Nothing when the file cannot be read to its end.
std::optional<ContentHash> hash_file(const std::filesystem::path& file);

}  // namespace isthmus
