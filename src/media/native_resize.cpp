#include "media/native_resize.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::media {
namespace {

// The last channel is alpha; Pillow's modes RGBa and La.
Image premultiplied(const Image& image) {
  Image out{image.width, image.height, image.channels, std::vector<uint8_t>(image.pixels.size())};
  const auto channels = static_cast<size_t>(image.channels);
  const uint8_t* in = image.pixels.data();
  uint8_t* target = out.pixels.data();
  for (size_t at = 0; at < image.pixels.size(); at += channels) {
    const uint8_t alpha = in[at + channels - 1];
    for (size_t c = 0; c + 1 < channels; ++c) {
      const int product = in[at + c] * alpha + 128;
      target[at + c] = static_cast<uint8_t>((product + (product >> 8)) >> 8);
    }
    target[at + channels - 1] = alpha;
  }
  return out;
}

void divide_by_alpha(Image& image) {
  const auto channels = static_cast<size_t>(image.channels);
  for (size_t at = 0; at < image.pixels.size(); at += channels) {
    uint8_t* pixel = image.pixels.data() + at;
    const int alpha = pixel[channels - 1];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = 0; c + 1 < channels; ++c)
      pixel[c] = static_cast<uint8_t>(std::min(255, 255 * pixel[c] / alpha));
  }
}

}  // namespace

NativeImage resize(const NativeImage& image, int64_t width, int64_t height, Filter filter,
                   const Box& window) {
  const bool same_size = image.width() == width && image.height() == height;
  NativeImage out{image.mode, {}, image.palette};
  switch (image.mode) {
    case PixelMode::kBilevel:
    case PixelMode::kPalette: filter = Filter::kNearest; break;
    case PixelMode::kGrey16:
      if (!same_size && filter != Filter::kNearest)
        throw UnsupportedError(
            fmt::format("a picture of 16-bit grey ({}x{} pixels) cannot be resized to {}x{}; "
                        "convert it to 8 bits first",
                        image.width(), image.height(), width, height));
      filter = Filter::kNearest;  // copies
      break;
    case PixelMode::kGreyAlpha:
    case PixelMode::kRgba:
      if (same_size || filter == Filter::kNearest) break;
      out.samples = resize(premultiplied(image.samples), width, height, filter, window);
      divide_by_alpha(out.samples);
      return out;
    default: break;
  }
  out.samples = resize(image.samples, width, height, filter, window);
  return out;
}

}  // namespace isthmus::media
