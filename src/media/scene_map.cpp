#include "media/scene_map.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "media/decoders.h"
#include "media/number_array.h"

namespace isthmus::media {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr std::string_view kExrMagic = "\x76\x2f\x31\x01";

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

// [3, height, width] as [height, width, 3].
std::vector<float> interleaved(const std::vector<float>& planes) {
  const size_t plane = planes.size() / 3;
  std::vector<float> out(planes.size());
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < plane; ++i) out[i * 3 + c] = planes[c * plane + i];
  return out;
}

Image picture_of(const FloatMap& map) {
  Image image{map.width, map.height, 3, {}};
  image.pixels.reserve(static_cast<size_t>(map.width * map.height * 3));
  const auto repeat = static_cast<size_t>(3 / map.channels);
  for (const float value : map.values)
    image.pixels.insert(image.pixels.end(), repeat, static_cast<uint8_t>(value));
  return image;
}

SceneMap from_npy(std::span<const std::byte> bytes, const std::string& source, SceneMapKind kind,
                  const ImageLimits& limits) {
  const NumberArray array(bytes, source);
  Shape shape = array.shape();
  const auto axis_is = [&](size_t axis, int64_t size) {
    return shape.size() == 3 && shape[axis] == size;
  };
  bool planes_first = false;
  FloatMap map;
  if (axis_is(0, 1) || axis_is(2, 1)) shape.erase(axis_is(2, 1) ? shape.end() - 1 : shape.begin());
  if (axis_is(2, 3)) {
    map.channels = 3;
  } else if (axis_is(0, 3)) {
    map.channels = 3;
    planes_first = true;
    shape = {shape[1], shape[2], 3};
  } else if (shape.size() != 2) {
    shape.clear();
  }
  const bool is_picture = array.dtype() == DType::kU8;
  const int64_t wanted = kind == SceneMapKind::kDepth ? 1 : 3;
  if (shape.empty() || (!is_picture && map.channels != wanted))
    throw InputError(
        fmt::format("{}: its shape is {}; expected {}", source, to_string(array.shape()),
                    kind == SceneMapKind::kDepth ? "[height, width] of a depth map"
                                                 : "[height, width, 3] of a normal map"));
  map.height = shape[0];
  map.width = shape[1];
  EncodedImage{bytes, source, limits}.check_size(map.width, map.height);
  map.values = array.values();
  if (planes_first) map.values = interleaved(map.values);
  map.whole_numbers = !is_floating_point(array.dtype());
  if (is_picture) return {source, picture_of(map), {}};
  return {source, std::nullopt, std::move(map)};
}

FloatMap from_grey16(const NativeImage& image) {
  FloatMap map{image.width(), image.height(), 1, {}, true};
  const std::vector<uint8_t>& bytes = image.samples.pixels;
  map.values.reserve(bytes.size() / 2);
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    map.values.push_back(static_cast<float>(bytes[i] | bytes[i + 1] << 8));
  return map;
}

}  // namespace

SceneMap decode_scene_map(std::span<const std::byte> bytes, const std::string& source,
                          SceneMapKind kind, const ImageLimits& limits) {
  if (begins_with(bytes, kNpyMagic)) return from_npy(bytes, source, kind, limits);
  if (begins_with(bytes, kExrMagic))
    return {source, std::nullopt, decode_exr(bytes, source, kind, limits)};
  NativeImage image = decode_native_image(bytes, source, limits);
  if (image.mode != PixelMode::kGrey16) return {source, to_rgb(std::move(image)), {}};
  if (kind == SceneMapKind::kNormals)
    throw InputError(
        fmt::format("{}: a picture of 16-bit grey; a normal map has three channels", source));
  return {source, std::nullopt, from_grey16(image)};
}

SceneMap load_scene_map(const std::filesystem::path& path, SceneMapKind kind,
                        const ImageLimits& limits) {
  const auto file = map_file(path);
  if (static_cast<int64_t>(file->bytes().size()) > limits.max_file_bytes)
    throw InputError(fmt::format("{}: file has {} bytes; the limit for a picture is {}",
                                 path.string(), file->bytes().size(), limits.max_file_bytes));
  return decode_scene_map(file->bytes(), path.string(), kind, limits);
}

}  // namespace isthmus::media
