// FNV-1a, 64 bits: tells damaged or different content apart; no protection against intent.
#pragma once

#include <cstdint>
#include <string_view>

namespace isthmus::eval {

inline constexpr uint64_t kFnv1aStart = 0xcbf29ce484222325u;

// The hash of a text that continues one whose hash is `hash`.
constexpr uint64_t fnv1a(std::string_view text, uint64_t hash = kFnv1aStart) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace isthmus::eval
