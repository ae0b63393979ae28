// A picture in the mode its file has, before anything is converted.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "media/image.h"

namespace isthmus::media {

enum class PixelMode {
  kBilevel,    // 0 or 255
  kGrey,       //
  kGrey16,     // two bytes, the low one first
  kGreyAlpha,  // grey, alpha
  kPalette,    // an index
  kRgb,        // red, green, blue
  kRgba,       // red, green, blue, alpha
  kCmyk,       // ink: 255 is all of it
};

// As Pillow names them: 1 L I;16 LA P RGB RGBA CMYK.
std::string_view name_of(PixelMode mode);
// Bytes per pixel.
int64_t channels_of(PixelMode mode);

// Colours of an indexed picture. Indices beyond the stored colours are black, as in Pillow.
struct Palette {
  std::array<Rgb, 256> colours{};
};

// samples.channels == channels_of(mode). `palette` counts for kPalette only.
struct NativeImage {
  PixelMode mode = PixelMode::kRgb;
  Image samples;
  Palette palette;

  int64_t width() const { return samples.width; }
  int64_t height() const { return samples.height; }
};

// Room for a picture of width x height pixels, all samples 0.
NativeImage blank_image(PixelMode mode, int64_t width, int64_t height);

// As Pillow's convert("RGB"): alpha is dropped without compositing, 16-bit grey is clipped to 255,
// ink covers the light that the key leaves.
Image to_rgb(NativeImage image);

}  // namespace isthmus::media
