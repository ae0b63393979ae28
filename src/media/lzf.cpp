#include "media/lzf.h"

namespace isthmus::media {

std::vector<std::byte> decompress_lzf(std::span<const std::byte> compressed, size_t size) {
  // A command byte below 32 announces that many bytes and one more, to be copied. Otherwise its
  // upper three bits are a length (7: the next byte is added) and the other five with the next byte
  // a distance: so many bytes back, length + 2 bytes are repeated.
  constexpr size_t kShortestCommand = 3, kLongestRun = 7 + 255 + 2;
  if (compressed.size() / kShortestCommand < size / kLongestRun) return {};
  std::vector<std::byte> out;
  out.reserve(size);
  size_t at = 0;
  const auto left = [&] { return compressed.size() - at; };
  const auto next = [&] { return std::to_integer<size_t>(compressed[at++]); };
  while (at < compressed.size()) {
    const size_t command = next();
    if (command < 32) {
      const size_t count = command + 1;
      if (count > left() || count > size - out.size()) return {};
      out.insert(out.end(), compressed.begin() + static_cast<std::ptrdiff_t>(at),
                 compressed.begin() + static_cast<std::ptrdiff_t>(at + count));
      at += count;
      continue;
    }
    size_t length = command >> 5;
    if (length == 7) {
      if (left() < 1) return {};
      length += next();
    }
    if (left() < 1) return {};
    const size_t distance = ((command & 31) << 8 | next()) + 1;
    length += 2;
    if (distance > out.size() || length > size - out.size()) return {};
    for (size_t i = 0; i < length; ++i) out.push_back(out[out.size() - distance]);
  }
  if (out.size() != size) out.clear();
  return out;
}

}  // namespace isthmus::media
