// Pictures to PNG files, through libpng.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "media/image.h"

namespace isthmus::media {

// 8 bits a sample; 1 (grey), 3 (RGB) or 4 (RGBA) channels. Throws InternalError for anything else.
std::vector<std::byte> encode_png(const Image& image);
// Grey, 16 bits a sample; rows from top to bottom.
std::vector<std::byte> encode_png(int64_t width, int64_t height, std::span<const uint16_t> samples);

}  // namespace isthmus::media
