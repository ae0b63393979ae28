#include "modalities/clip_image.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "media/transform.h"

namespace isthmus::modalities {
namespace {

using media::Box;
using media::Canvas;
using media::Image;

constexpr int64_t kMaxModelSide =
    16384;  // no tower is near; a broken config must not take all memory
constexpr int64_t kMaxPaddedSide = 65536;  // work grows with its square
constexpr int64_t kMaxResizedPixels = 178'956'970;

int64_t side(const JsonView& json, std::string_view key) {
  const int64_t value = json.positive(key);
  json.require(value <= kMaxModelSide, key,
               fmt::format("expected at most {}, found {}", kMaxModelSide, value));
  return value;
}

std::array<double, 3> channels(const JsonView& json, std::string_view key,
                               const std::array<double, 3>& fallback) {
  const auto value = json.find(key);
  if (!value) return fallback;
  json.require(value->is_array() && value->elements().size() == 3, key, "expected three numbers");
  std::array<double, 3> numbers{};
  for (size_t c = 0; c < 3; ++c) numbers[c] = value->elements()[c].as_number();
  return numbers;
}

media::Filter filter_of(const JsonView& json) {
  const int64_t resample = json.integer("resample", 3);
  switch (resample) {  // numbered as in Pillow
    case 0: return media::Filter::kNearest;
    case 2: return media::Filter::kBilinear;
    case 3: return media::Filter::kBicubic;
    default:
      throw UnsupportedError(
          fmt::format("{}.resample: filter {} is not one of 0 (nearest), 2 (bilinear), 3 (bicubic)",
                      json.where(), resample));
  }
}

// The size that a picture is resized to. Exact in integers: transformers' int(size * long / short).
Resolution resized_size(const Resolution& size, const ClipImageConfig& config) {
  const auto [width, height] = size;
  if (!config.do_resize) return size;
  if (config.shortest_edge == 0) return {config.resize_width, config.resize_height};
  const int64_t edge = config.shortest_edge;
  if (width <= height) return {edge, edge * height / width};
  return {edge * width / height, edge};
}

// Resize and centre crop of the processor; only what the crop keeps is ever computed.
Image resize_and_crop(const Canvas& canvas, const ClipImageConfig& config) {
  const auto [width, height] = resized_size({canvas.width, canvas.height}, config);
  const Box whole{0, 0, width, height};
  const Box kept = config.do_center_crop
                       ? media::centre_box(width, height, config.crop_width, config.crop_height)
                       : whole;
  if (kept.width > kMaxResizedPixels / kept.height)
    throw InputError(fmt::format(
        "a picture of {}x{} pixels becomes {}x{} when resized; the limit is {} pixels",
        canvas.image.width, canvas.image.height, kept.width, kept.height, kMaxResizedPixels));
  if (config.resample == media::Filter::kNearest) {
    if (width > kMaxResizedPixels / height)
      throw InputError(fmt::format(
          "a picture of {}x{} pixels becomes {}x{} when resized; the limit is {} pixels",
          canvas.image.width, canvas.image.height, width, height, kMaxResizedPixels));
    return media::crop(media::resize(media::paste(canvas), width, height, config.resample), kept);
  }
  const int64_t x0 = std::max<int64_t>(kept.left, 0), x1 = std::min(kept.left + kept.width, width);
  const int64_t y0 = std::max<int64_t>(kept.top, 0), y1 = std::min(kept.top + kept.height, height);
  Image resized = media::resize(canvas, width, height, config.resample, {x0, y0, x1 - x0, y1 - y0});
  if (resized.width == kept.width && resized.height == kept.height) return resized;
  return media::crop(resized, {kept.left - x0, kept.top - y0, kept.width, kept.height});
}

// Of one tile made by resize_and_crop from `canvas`.
Geometry geometry_of(const Canvas& canvas, const ClipImageConfig& config, const Image& tile) {
  const auto [width, height] = resized_size({canvas.width, canvas.height}, config);
  const Box kept = media::centre_box(width, height, tile.width, tile.height);
  const double scale_x = static_cast<double>(width) / static_cast<double>(canvas.width);
  const double scale_y = static_cast<double>(height) / static_cast<double>(canvas.height);
  Geometry geometry;
  geometry.original_width = canvas.image.width;
  geometry.original_height = canvas.image.height;
  geometry.tile_width = tile.width;
  geometry.tile_height = tile.height;
  geometry.resized_width = static_cast<double>(canvas.image.width) * scale_x;
  geometry.resized_height = static_cast<double>(canvas.image.height) * scale_y;
  geometry.left = static_cast<double>(canvas.left) * scale_x - static_cast<double>(kept.left);
  geometry.top = static_cast<double>(canvas.top) * scale_y - static_cast<double>(kept.top);
  return geometry;
}

ClipTiles single_tile(const Canvas& canvas, const ClipImageConfig& config) {
  ClipTiles result;
  result.tiles.push_back(resize_and_crop(canvas, config));
  result.geometry = geometry_of(canvas, config, result.tiles.front());
  return result;
}

media::Rgb mean_colour(const ClipImageConfig& config) {
  media::Rgb colour{};
  for (size_t c = 0; c < 3; ++c)
    colour[c] = static_cast<uint8_t>(std::clamp(config.image_mean[c] * 255, 0.0, 255.0));
  return colour;
}

// mm_utils.process_anyres_image. Its resizes are Pillow's default for RGB, bicubic, whatever
// `resample` says.
ClipTiles anyres_tiles(const Image& image, const ClipImageConfig& config,
                       const std::vector<Resolution>& grid_pinpoints) {
  if (grid_pinpoints.empty())
    throw ModelError("image_aspect_ratio \"anyres\" needs image_grid_pinpoints");
  const int64_t tile = config.crop_height;
  const bool square =
      config.crop_width == tile && (config.shortest_edge == tile ||
                                    (config.resize_width == tile && config.resize_height == tile));
  if (!square)
    throw ModelError(
        fmt::format("anyres tiles need a square crop_size equal to size, found crop_size {}x{}",
                    config.crop_width, config.crop_height));
  const Resolution target = select_best_resolution({image.width, image.height}, grid_pinpoints);
  const auto [canvas_width, canvas_height] = target;
  if (canvas_width % tile != 0 || canvas_height % tile != 0)
    throw ModelError(fmt::format("image_grid_pinpoints: {}x{} is no multiple of the tile size {}",
                                 canvas_width, canvas_height, tile));
  const auto [width, height] = fit_within({image.width, image.height}, target);
  const Image resized = media::resize(image, width, height, media::Filter::kBicubic);
  const Canvas placed{resized,
                      canvas_width,
                      canvas_height,
                      (canvas_width - width) / 2,
                      (canvas_height - height) / 2,
                      {0, 0, 0}};
  const Image canvas = media::paste(placed);

  ClipTiles result;
  result.tiles.push_back(media::resize(image, tile, tile, media::Filter::kBicubic));
  for (int64_t y = 0; y < canvas_height; y += tile)
    for (int64_t x = 0; x < canvas_width; x += tile)
      result.tiles.push_back(media::crop(canvas, {x, y, tile, tile}));
  // The reference sends every tile through the processor; its resize and crop change nothing at
  // this size.
  Geometry& geometry = result.geometry;
  geometry.original_width = image.width;
  geometry.original_height = image.height;
  geometry.tile_width = geometry.tile_height = tile;
  geometry.grid_width = canvas_width / tile;
  geometry.grid_height = canvas_height / tile;
  geometry.has_base_tile = true;
  geometry.resized_width = static_cast<double>(width);
  geometry.resized_height = static_cast<double>(height);
  geometry.left = static_cast<double>(placed.left);
  geometry.top = static_cast<double>(placed.top);
  return result;
}

// What each byte of each channel becomes, in the order and precision of transformers' numpy code:
// the product in double, rounded to float; then float subtraction and division.
std::array<std::array<float, 256>, 3> sample_values(const ClipImageConfig& config) {
  std::array<std::array<float, 256>, 3> values{};
  for (size_t c = 0; c < 3; ++c) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const auto sample = static_cast<double>(byte);
      auto value = static_cast<float>(config.do_rescale ? sample * config.rescale_factor : sample);
      if (config.do_normalize)
        value = (value - static_cast<float>(config.image_mean[c])) /
                static_cast<float>(config.image_std[c]);
      values[c][byte] = value;
    }
  }
  return values;
}

}  // namespace

ClipImageConfig ClipImageConfig::parse(const JsonView& json) {
  ClipImageConfig config{};
  config.do_resize = json.boolean("do_resize", true);
  config.do_center_crop = json.boolean("do_center_crop", true);
  config.do_rescale = json.boolean("do_rescale", true);
  config.do_normalize = json.boolean("do_normalize", true);
  config.rescale_factor = json.number("rescale_factor", 1.0 / 255.0);
  config.resample = filter_of(json);
  config.image_mean =
      channels(json, "image_mean", {0.48145466, 0.4578275, 0.40821073});  // OPENAI_CLIP_MEAN
  config.image_std =
      channels(json, "image_std", {0.26862954, 0.26130258, 0.27577711});  // OPENAI_CLIP_STD
  for (const double deviation : config.image_std)
    json.require(deviation > 0, "image_std", "expected three positive numbers");

  // Files of CLIPFeatureExtractor have plain integers here.
  config.shortest_edge = config.crop_width = config.crop_height = 224;
  if (const auto size = json.find("size");
      size && size->is_object() && !size->contains("shortest_edge")) {
    config.shortest_edge = 0;
    config.resize_width = side(*size, "width");
    config.resize_height = side(*size, "height");
  } else if (size) {
    config.shortest_edge = size->is_object() ? side(*size, "shortest_edge") : side(json, "size");
  }
  if (const auto crop = json.find("crop_size")) {
    config.crop_width = crop->is_object() ? side(*crop, "width") : side(json, "crop_size");
    config.crop_height = crop->is_object() ? side(*crop, "height") : config.crop_width;
  }
  if (const auto pinpoints = json.find("image_grid_pinpoints"))
    config.image_grid_pinpoints = parse_grid_pinpoints(*pinpoints, PinpointOrder::kHeightWidth);
  return config;
}

AspectMode parse_aspect_mode(std::string_view name) {
  if (name == "pad") return AspectMode::kPad;
  if (name == "anyres") return AspectMode::kAnyres;
  if (name.starts_with("anyres"))
    throw UnsupportedError(
        fmt::format("image_aspect_ratio \"{}\" belongs to later models; \"anyres\" is read", name));
  return AspectMode::kSquare;
}

ClipTiles cut_clip_tiles(const Image& image, const ClipImageConfig& config, AspectMode mode,
                         const std::vector<Resolution>& grid_pinpoints) {
  ISTHMUS_CHECK(image.width > 0 && image.height > 0 && image.channels == 3,
                "pictures have RGB pixels");
  switch (mode) {
    case AspectMode::kSquare: return single_tile(media::bare_canvas(image), config);
    case AspectMode::kPad:
      if (std::max(image.width, image.height) > kMaxPaddedSide)
        throw InputError(fmt::format(
            "a picture of {}x{} pixels cannot be padded to a square; the limit is {} per side",
            image.width, image.height, kMaxPaddedSide));
      return single_tile(media::square_canvas(image, mean_colour(config)), config);
    case AspectMode::kAnyres: break;
  }
  return anyres_tiles(image, config, grid_pinpoints);
}

Prepared prepare_clip_image(const Image& image, const ClipImageConfig& config, AspectMode mode,
                            const std::vector<Resolution>& grid_pinpoints) {
  const ClipTiles cut = cut_clip_tiles(image, config, mode, grid_pinpoints);
  const auto values = sample_values(config);
  const int64_t height = cut.geometry.tile_height, width = cut.geometry.tile_width;
  Prepared prepared;
  prepared.shape = {static_cast<int64_t>(cut.tiles.size()), 3, height, width};
  prepared.geometry = cut.geometry;
  // In the units of samples of 0 to 1, whatever the config rescales to.
  const double unit = 255 * (config.do_rescale ? config.rescale_factor : 1);
  for (size_t c = 0; c < 3; ++c) {
    prepared.mean[c] = config.do_normalize ? static_cast<float>(config.image_mean[c] / unit) : 0.0f;
    prepared.deviation[c] =
        static_cast<float>((config.do_normalize ? config.image_std[c] : 1) / unit);
  }
  prepared.values.resize(cut.tiles.size() * static_cast<size_t>(3 * height * width));
  float* out = prepared.values.data();
  for (const Image& tile : cut.tiles) {
    for (size_t c = 0; c < 3; ++c) {
      const uint8_t* in = tile.pixels.data() + c;
      for (int64_t i = 0; i < height * width; ++i) *out++ = values[c][in[i * 3]];
    }
  }
  return prepared;
}

}  // namespace isthmus::modalities
