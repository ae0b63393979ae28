#include "modalities/open_clip_image.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "media/native_resize.h"

namespace isthmus::modalities {
namespace {

using media::Box;
using media::NativeImage;

// torchvision's Resize with one number: int(size * long / short) in double. Pillow holds a side in
// 32 bits.
int64_t long_side(const NativeImage& image, int64_t size, int64_t longer, int64_t shorter) {
  const double exact = static_cast<double>(size * longer) / static_cast<double>(shorter);
  if (exact > std::numeric_limits<int32_t>::max())
    throw InputError(fmt::format(
        "a picture of {}x{} pixels is {} pixels long when its shorter side is resized to {}; the "
        "limit is {}. Crop it first",
        image.width(), image.height(), static_cast<int64_t>(exact), size,
        std::numeric_limits<int32_t>::max()));
  return static_cast<int64_t>(exact);
}

// torchvision's CenterCrop: int(round((side - size) / 2)), and Python rounds halves to even.
int64_t crop_start(int64_t side, int64_t size) {
  const int64_t margin = side - size, half = margin / 2;
  return margin % 2 == 0 ? half : half + half % 2;
}

OpenClipCrop cut(const NativeImage& image, int64_t size) {
  const bool upright = image.width() <= image.height();
  const int64_t width = upright ? size : long_side(image, size, image.width(), image.height());
  const int64_t height = upright ? long_side(image, size, image.height(), image.width()) : size;
  const Box kept{crop_start(width, size), crop_start(height, size), size, size};
  OpenClipCrop result;
  result.image = media::to_rgb(media::resize(image, width, height, media::Filter::kBicubic, kept));
  Geometry& geometry = result.geometry;
  geometry.original_width = image.width();
  geometry.original_height = image.height();
  geometry.tile_width = geometry.tile_height = size;
  geometry.resized_width = static_cast<double>(width);
  geometry.resized_height = static_cast<double>(height);
  geometry.left = -static_cast<double>(kept.left);
  geometry.top = -static_cast<double>(kept.top);
  return result;
}

OpenClipCrop cut_box(const media::Image& image, const Box& box, int64_t size) {
  if (box.left < 0 || box.top < 0 || box.width < 1 || box.height < 1 ||
      box.width > image.width - box.left || box.height > image.height - box.top)
    throw UsageError(fmt::format(
        "crop [top {}, left {}, height {}, width {}] is not inside a picture of {}x{} pixels",
        box.top, box.left, box.height, box.width, image.width, image.height));
  OpenClipCrop result;
  result.image = media::resize(media::crop(image, box), size, size, media::Filter::kBicubic);
  Geometry& geometry = result.geometry;
  geometry.original_width = image.width;
  geometry.original_height = image.height;
  geometry.tile_width = geometry.tile_height = size;
  const double across = static_cast<double>(size) / static_cast<double>(box.width);
  const double down = static_cast<double>(size) / static_cast<double>(box.height);
  geometry.resized_width = static_cast<double>(image.width) * across;
  geometry.resized_height = static_cast<double>(image.height) * down;
  geometry.left = -static_cast<double>(box.left) * across;
  geometry.top = -static_cast<double>(box.top) * down;
  return result;
}

// What each byte of each channel becomes, in torchvision's order and precision (ToTensor,
// Normalize): float division by 255, float subtraction, float division.
std::array<std::array<float, 256>, 3> sample_values(const OpenClipImageConfig& config) {
  std::array<std::array<float, 256>, 3> values{};
  for (size_t c = 0; c < 3; ++c)
    for (size_t byte = 0; byte < 256; ++byte)
      values[c][byte] = (static_cast<float>(byte) / 255.0f - static_cast<float>(config.mean[c])) /
                        static_cast<float>(config.std[c]);
  return values;
}

}  // namespace

OpenClipCrop cut_open_clip_image(const NativeImage& image, const OpenClipImageConfig& config) {
  ISTHMUS_CHECK(image.width() > 0 && image.height() > 0 && config.image_size > 0,
                "pictures and towers have at least one pixel");
  if (config.crop) return cut_box(media::to_rgb(image), *config.crop, config.image_size);
  if (!config.convert_to_rgb_first || image.mode == media::PixelMode::kRgb)
    return cut(image, config.image_size);
  return cut({media::PixelMode::kRgb, media::to_rgb(image), {}}, config.image_size);
}

Prepared prepare_open_clip_image(const NativeImage& image, const OpenClipImageConfig& config) {
  const OpenClipCrop crop = cut_open_clip_image(image, config);
  const auto values = sample_values(config);
  const int64_t size = config.image_size;
  Prepared prepared;
  prepared.shape = {1, 3, size, size};
  prepared.geometry = crop.geometry;
  for (size_t c = 0; c < 3; ++c) {
    prepared.mean[c] = static_cast<float>(config.mean[c]);
    prepared.deviation[c] = static_cast<float>(config.std[c]);
  }
  prepared.values.resize(static_cast<size_t>(3 * size * size));
  float* out = prepared.values.data();
  for (size_t c = 0; c < 3; ++c) {
    const uint8_t* in = crop.image.pixels.data() + c;
    for (int64_t i = 0; i < size * size; ++i) *out++ = values[c][in[i * 3]];
  }
  return prepared;
}

}  // namespace isthmus::modalities
