#include "modalities/views.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace isthmus::modalities {
namespace {

using media::Image;

uint8_t byte_of(float level) {
  return static_cast<uint8_t>(std::lround(std::clamp(level, 0.0f, 1.0f) * 255));
}

bool is_picture(const Prepared& medium) {
  return medium.deviation[0] > 0 && medium.shape.size() == 4 && medium.shape[1] == 3;
}

std::vector<Image> tiles_of(const Prepared& medium) {
  const int64_t height = medium.shape[2], width = medium.shape[3];
  std::vector<Image> tiles;
  const float* in = medium.values.data();
  for (int64_t t = 0; t < medium.shape[0]; ++t) {
    Image& tile = tiles.emplace_back(media::filled_image(width, height, {0, 0, 0}));
    for (size_t c = 0; c < 3; ++c)
      for (size_t i = c; i < tile.pixels.size(); i += 3)
        tile.pixels[i] = byte_of(*in++ * medium.deviation[c] + medium.mean[c]);
  }
  return tiles;
}

// [1, bins, frames]
Image spectrum_of(const Prepared& medium) {
  const int64_t bins = medium.shape[1], frames = medium.shape[2];
  const auto [low, high] = std::ranges::minmax(medium.values);
  const float range = std::max(high - low, std::numeric_limits<float>::min());
  Image image = media::filled_image(frames, bins, {0, 0, 0});
  for (int64_t bin = 0; bin < bins; ++bin) {
    uint8_t* out = image.row(bins - 1 - bin);
    for (int64_t frame = 0; frame < frames; ++frame) {
      const float value = medium.values[static_cast<size_t>(bin * frames + frame)];
      out = std::fill_n(out, 3, byte_of((value - low) / range));
    }
  }
  return image;
}

// [points, 6], inside the unit ball
Image seen_along_z(const Prepared& medium) {
  constexpr int64_t kSide = 96;
  const auto count = static_cast<size_t>(medium.shape[0]);
  const auto point = [&](size_t i) { return medium.values.data() + 6 * i; };
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return point(i)[2]; });
  const bool coloured = std::ranges::any_of(
      order, [&](size_t i) { return point(i)[3] != 0 || point(i)[4] != 0 || point(i)[5] != 0; });
  Image image = media::filled_image(kSide, kSide, {0, 0, 0});
  const auto pixel = [](float position) {
    return std::clamp<int64_t>(std::lround((position + 1) / 2 * (kSide - 1)), 0, kSide - 1);
  };
  for (const size_t i : order) {
    const float* p = point(i);
    uint8_t* out = image.row(kSide - 1 - pixel(p[1])) + 3 * pixel(p[0]);
    for (size_t c = 0; c < 3; ++c) out[c] = byte_of(coloured ? p[3 + c] : (p[2] + 2) / 3);
  }
  return image;
}

bool is_sound(const Prepared& medium) {
  return medium.modality == Modality::kAudio && medium.shape.size() == 3 && medium.shape[0] == 1;
}

bool is_points(const Prepared& medium) {
  return medium.modality == Modality::kPointCloud && medium.shape.size() == 2 &&
         medium.shape[1] == 6;
}

}  // namespace

std::vector<Image> pictures_of(const Prepared& medium) {
  if (medium.values.empty()) return {};
  if (is_picture(medium)) return tiles_of(medium);
  if (is_sound(medium)) return {spectrum_of(medium)};
  if (is_points(medium)) return {seen_along_z(medium)};
  return {};
}

std::vector<std::vector<float>> curves_of(const Prepared& medium) {
  if (medium.values.empty() || medium.shape.empty() || is_picture(medium) || is_sound(medium) ||
      is_points(medium))
    return {};
  const auto length = static_cast<size_t>(medium.shape.back());
  std::vector<std::vector<float>> curves;
  for (auto at = medium.values.begin(); at != medium.values.end();
       at += static_cast<std::ptrdiff_t>(length))
    curves.emplace_back(at, at + static_cast<std::ptrdiff_t>(length));
  return curves;
}

}  // namespace isthmus::modalities
