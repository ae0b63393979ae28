// The size of a picture without its pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace isthmus::media {

struct PictureSize {
  int64_t width, height;
};

// As the header of a JPEG, PNG, WebP, GIF or BMP announces it; nothing is decoded. Nothing for
// other formats and for headers that are cut short: whoever decodes them says what is wrong.
std::optional<PictureSize> picture_size(std::span<const std::byte> bytes);

}  // namespace isthmus::media
