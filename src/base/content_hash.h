// A fingerprint of bytes, to recognise content seen before.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace isthmus {

// 128 bits of XXH3: two contents that differ share one by accident with a chance of 2^-128. It is
// no defence against somebody who makes such contents on purpose.
struct ContentHash {
  uint64_t high, low;
  auto operator<=>(const ContentHash&) const = default;
  std::string hex() const;  // 32 digits
};

ContentHash hash_bytes(std::span<const std::byte> bytes);
ContentHash hash_text(std::string_view text);

// The same, of content that comes piece by piece. For one thread.
class ContentHasher {
 public:
  ContentHasher();
  void add(std::string_view piece);
  ContentHash hash() const;  // of all pieces so far, joined

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Nothing when the file cannot be read to its end.
std::optional<ContentHash> hash_file(const std::filesystem::path& file);

}  // namespace isthmus
