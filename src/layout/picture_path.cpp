#include "layout/picture_path.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace isthmus::layout {

namespace {

std::string pixels(PixelSize size) { return fmt::format("{}x{}", size.width, size.height); }

void describe_tiles(const LlavaConfig& config, const ClipVisionConfig& tower, PicturePath& path) {
  const int64_t side = tower.image_size;
  const PixelSize square = {side, side};
  path.best_resolution = square;
  path.num_tiles = 1;
  switch (config.image_aspect_ratio) {
    case ImageAspectRatio::kCrop:
      path.steps.push_back(
          {fmt::format("shortest side to {}, centre crop {}", side, pixels(square)), {}});
      return;
    case ImageAspectRatio::kPad: {
      const int64_t longest = std::max(path.picture.width, path.picture.height);
      path.steps.push_back({fmt::format("pad to {}", pixels({longest, longest})), {}});
      path.steps.push_back({fmt::format("resize to {}", pixels(square)), {}});
      return;
    }
    case ImageAspectRatio::kAnyres:
      const AnyresPlan plan = plan_anyres(path.picture, config.grid_pinpoints, side,
                                          tower.patches_per_side(), config.has_image_newline);
      path.best_resolution = plan.best_resolution;
      path.grid_columns = plan.grid_columns;
      path.grid_rows = plan.grid_rows;
      path.num_tiles = plan.num_tiles();
      path.steps.push_back(
          {fmt::format("fit into {}, {} tiles of {} and the whole", pixels(path.best_resolution),
                       path.num_tiles - 1, pixels(square)),
           {}});
      return;
  }
}

}  // namespace

std::string tower_name(int64_t width, int64_t patch_size) {
  struct Size {
    int64_t width;
    const char* letter;
  };
  static constexpr std::array kPublished = {Size{768, "B"}, Size{1024, "L"}, Size{1280, "H"},
                                            Size{1408, "g"}, Size{1664, "bigG"}};
  for (const Size& size : kPublished)
    if (size.width == width) return fmt::format("CLIP ViT-{}/{}", size.letter, patch_size);
  return fmt::format("CLIP ViT-{}/{}", width, patch_size);
}

std::string tower_name(const ClipVisionConfig& tower) {
  return tower_name(tower.hidden_size, tower.patch_size);
}

PicturePath picture_path(const LlavaConfig& config, const ClipVisionConfig& tower,
                         PixelSize picture) {
  PicturePath path{};
  path.picture = picture;
  path.steps.push_back({fmt::format("image {}", pixels(picture)), {}});
  describe_tiles(config, tower, path);

  const int64_t features = config.features_per_tile(tower), width = config.text.hidden_size;
  const int64_t tiles = path.num_tiles;
  path.steps.push_back(
      {"normalise", {tiles, tower.num_channels, tower.image_size, tower.image_size}});
  path.steps.push_back(
      {fmt::format(
           "{}, hidden state {}{}", tower_name(tower), config.select_layer,
           config.select_feature == SelectFeature::kClsPatch ? " with the class token" : ""),
       {tiles, features, tower.hidden_size}});
  path.steps.push_back({config.projector_name(), {tiles, features, width}});

  path.num_rows = tiles * features;
  const bool unpad = config.has_image_newline;
  if (config.patch_merge_type != PatchMergeType::kFlat && tiles > 1) {
    const AnyresPlan plan =
        plan_anyres(picture, config.grid_pinpoints, tower.image_size, tower.patches_per_side(),
                    unpad, config.layout != LlavaLayout::kOriginal);
    path.num_rows = plan.num_rows;
    if (unpad)
      path.steps.push_back({fmt::format("unpad to {} lines of {} and a newline", plan.feature_rows,
                                        plan.feature_columns),
                            {}});
  } else if (unpad && config.image_aspect_ratio == ImageAspectRatio::kAnyres) {
    path.num_rows += 1;  // a single tile still ends with one newline
  }
  path.steps.push_back(
      {fmt::format("{} rows of {}", path.num_rows, width), {path.num_rows, width}});
  return path;
}

std::string to_string(const PicturePath& path) {
  std::string text;
  for (size_t i = 0; i < path.steps.size(); ++i) {
    const auto& step = path.steps[i];
    if (i > 0) text += " → ";
    text += step.what;
    // The last step says its shape in words.
    if (!step.shape.empty() && i + 1 < path.steps.size())
      text += fmt::format(" {}", isthmus::to_string(step.shape));
  }
  return text;
}

nlohmann::json to_json(const PicturePath& path) {
  nlohmann::json steps = nlohmann::json::array();
  for (const auto& step : path.steps) {
    nlohmann::json entry = {{"step", step.what}};
    if (!step.shape.empty()) entry["shape"] = step.shape;
    steps.push_back(std::move(entry));
  }
  return {{"size", {path.picture.width, path.picture.height}}, {"steps", std::move(steps)}};
}

}  // namespace isthmus::layout
