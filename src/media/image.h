// A decoded picture.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace isthmus::media {

using Rgb = std::array<uint8_t, 3>;

// Eight bits per sample, samples of a pixel together, rows from top to bottom without padding:
// pixels.size() == width * height * channels. Red, green, blue unless something else is said.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 3;
  std::vector<uint8_t> pixels;

  const uint8_t* row(int64_t y) const { return pixels.data() + y * width * channels; }
  uint8_t* row(int64_t y) { return pixels.data() + y * width * channels; }
};

// width x height pixels of one colour.
Image filled_image(int64_t width, int64_t height, const Rgb& colour);

}  // namespace isthmus::media
