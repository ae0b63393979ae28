#include "media/native_image.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace isthmus::media {
namespace {

struct ModeEntry {
  std::string_view name;
  int64_t channels;
};

// In the order of the enumeration.
constexpr std::array<ModeEntry, 8> kModes = {
    {{"1", 1}, {"L", 1}, {"I;16", 2}, {"LA", 2}, {"P", 1}, {"RGB", 3}, {"RGBA", 4}, {"CMYK", 4}}};

// light = key' - ink * key' / 255 in rounded integer arithmetic, with key' = 255 - key.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb) {
  const int light = 255 - cmyk[3];
  for (int c = 0; c < 3; ++c) {
    const int product = cmyk[c] * light + 128;
    rgb[c] = static_cast<uint8_t>(std::max(0, light - ((product + (product >> 8)) >> 8)));
  }
}

}  // namespace

std::string_view name_of(PixelMode mode) { return kModes[static_cast<size_t>(mode)].name; }

int64_t channels_of(PixelMode mode) { return kModes[static_cast<size_t>(mode)].channels; }

NativeImage blank_image(PixelMode mode, int64_t width, int64_t height) {
  const int64_t channels = channels_of(mode);
  const auto bytes = static_cast<size_t>(width * height * channels);
  return {mode, {width, height, channels, std::vector<uint8_t>(bytes)}, {}};
}

Image to_rgb(NativeImage image) {
  const Image& samples = image.samples;
  ISTHMUS_CHECK(samples.channels == channels_of(image.mode), "channels of another mode");
  if (image.mode == PixelMode::kRgb) return std::move(image.samples);
  Image rgb{samples.width, samples.height, 3, {}};
  const int64_t count = samples.width * samples.height;
  rgb.pixels.resize(static_cast<size_t>(count * 3));
  const uint8_t* in = samples.pixels.data();
  uint8_t* out = rgb.pixels.data();
  for (int64_t i = 0; i < count; ++i, in += samples.channels, out += 3) {
    switch (image.mode) {
      // Quirk: Pillow's mode I;16 is clipped to 255 by convert("RGB"); scaling would keep the
      // picture.
      case PixelMode::kGrey16: std::memset(out, in[1] != 0 ? 255 : in[0], 3); break;
      case PixelMode::kPalette: std::memcpy(out, image.palette.colours[in[0]].data(), 3); break;
      case PixelMode::kCmyk: cmyk_to_rgb(in, out); break;
      case PixelMode::kRgb:
      case PixelMode::kRgba: std::memcpy(out, in, 3); break;
      default: std::memset(out, in[0], 3);  // grey
    }
  }
  return rgb;
}

}  // namespace isthmus::media
