// Pictures for viewers.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace isthmus::watch {

// A PNG file of 8 bits a sample. pixels: rows from top to bottom, samples of a pixel together;
// 1 (grey), 3 (RGB) or 4 (RGBA) channels. Throws InternalError for another number of channels or
// of bytes.
std::string encode_png(int64_t width, int64_t height, int64_t channels,
                       std::span<const uint8_t> pixels);

}  // namespace isthmus::watch
