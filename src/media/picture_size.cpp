#include "media/picture_size.h"

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace isthmus::media {
namespace {

// Reads past the end are zeros: sizes of 0 are told by nobody.
class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool has(size_t at, std::string_view expected) const {
    return at + expected.size() <= bytes_.size() &&
           std::memcmp(bytes_.data() + at, expected.data(), expected.size()) == 0;
  }
  int64_t big(size_t at, size_t count) const {
    int64_t value = 0;
    for (size_t i = 0; i < count; ++i) value = value << 8 | byte(at + i);
    return value;
  }
  int64_t little(size_t at, size_t count) const {
    int64_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | byte(at + i);
    return value;
  }
  int64_t byte(size_t at) const {
    return at < bytes_.size() ? std::to_integer<int64_t>(bytes_[at]) : 0;
  }
  size_t size() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
};

// Segment after segment to the one that opens the frame (SOF0 to SOF15; C4, C8 and CC are others).
PictureSize of_jpeg(const Bytes& file) {
  for (size_t at = 2; at + 9 < file.size();) {
    if (file.byte(at) != 0xff) break;
    const int64_t marker = file.byte(at + 1);
    if (marker == 0xff) {  // filling
      ++at;
      continue;
    }
    const bool opens_frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (opens_frame) return {file.big(at + 7, 2), file.big(at + 5, 2)};
    const bool alone = marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    at += 2 + (alone ? 0 : static_cast<size_t>(file.big(at + 2, 2)));
  }
  return {0, 0};
}

PictureSize of_webp(const Bytes& file) {
  if (file.has(12, "VP8X")) return {1 + file.little(24, 3), 1 + file.little(27, 3)};
  if (file.has(12, "VP8L")) {
    const int64_t bits = file.little(21, 4);
    return {1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)};
  }
  if (file.has(12, "VP8 ")) return {file.little(26, 2) & 0x3fff, file.little(28, 2) & 0x3fff};
  return {0, 0};
}

PictureSize of_bmp(const Bytes& file) {
  if (file.little(14, 4) == 12) return {file.little(18, 2), file.little(20, 2)};  // OS/2's header
  // Rows from the top have a negative height.
  return {file.little(18, 4),
          std::abs(static_cast<int64_t>(static_cast<int32_t>(file.little(22, 4))))};
}

}  // namespace

std::optional<PictureSize> picture_size(std::span<const std::byte> bytes) {
  const Bytes file(bytes);
  PictureSize size{0, 0};
  if (file.has(0, "\xff\xd8\xff"))
    size = of_jpeg(file);
  else if (file.has(0, "\x89PNG\r\n\x1a\n"))
    size = {file.big(16, 4), file.big(20, 4)};
  else if (file.has(0, "RIFF") && file.has(8, "WEBP"))
    size = of_webp(file);
  else if (file.has(0, "GIF87a") || file.has(0, "GIF89a"))
    size = {file.little(6, 2), file.little(8, 2)};
  else if (file.has(0, "BM"))
    size = of_bmp(file);
  if (size.width <= 0 || size.height <= 0) return std::nullopt;
  return size;
}

}  // namespace isthmus::media
