#include "modalities/map_pair.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "media/resize.h"

namespace isthmus::modalities {
namespace {

using media::FloatMap;
using media::Image;

bool is_depth(float value) { return std::isfinite(value) && value > 0; }

double percent(int64_t part, int64_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

// The value that `fraction` of `values` are below. Reorders them.
float quantile(std::vector<float>& values, double fraction) {
  const auto rank =
      static_cast<std::ptrdiff_t>(std::lround(fraction * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[static_cast<size_t>(rank)];
}

// Index of the nearest of 0 … count - 1 for which has(i) is true, for each; -1 if there is none.
template <typename Has>
std::vector<int64_t> nearest_of(int64_t count, const Has& has) {
  std::vector<int64_t> nearest(static_cast<size_t>(count), -1);
  int64_t last = -1;
  for (int64_t i = 0; i < count; ++i) {
    if (has(i)) last = i;
    nearest[static_cast<size_t>(i)] = last;
  }
  last = -1;
  for (int64_t i = count - 1; i >= 0; --i) {
    if (has(i)) last = i;
    int64_t& before = nearest[static_cast<size_t>(i)];
    if (last >= 0 && (before < 0 || last - i < i - before)) before = last;
  }
  return nearest;
}

void fill_holes(FloatMap& depth) {
  const auto width = static_cast<size_t>(depth.width);
  std::vector<bool> row_has(static_cast<size_t>(depth.height), false);
  for (size_t y = 0; y < row_has.size(); ++y) {
    float* row = depth.values.data() + y * width;
    const auto nearest = nearest_of(depth.width, [&](int64_t x) { return is_depth(row[x]); });
    row_has[y] = nearest.front() >= 0;
    if (!row_has[y]) continue;
    for (size_t x = 0; x < width; ++x)
      if (!is_depth(row[x])) row[x] = row[nearest[x]];
  }
  const auto nearest =
      nearest_of(depth.height, [&](int64_t y) { return row_has[static_cast<size_t>(y)]; });
  for (size_t y = 0; y < row_has.size(); ++y)
    if (!row_has[y])
      std::copy_n(depth.values.data() + static_cast<size_t>(nearest[y]) * width, width,
                  depth.values.data() + y * width);
}

// "taken as millimetres, since …: 0.52 m to 4.80 m".
std::string unit_note(const FloatMap& depth, DepthUnit unit, float median, float near, float far) {
  constexpr float kLargestRoom = 100;  // metres
  std::string why = "as told";
  if (unit == DepthUnit::kGuess) {
    const bool large = median > kLargestRoom;
    unit = depth.whole_numbers || large ? DepthUnit::kMillimetres : DepthUnit::kMetres;
    why = depth.whole_numbers ? "since the file stores whole numbers"
                              : fmt::format("since its median is {:.4g}", median);
  }
  const bool metres = unit == DepthUnit::kMetres;
  const double scale = metres ? 1 : 1e-3;
  std::string note = fmt::format(
      "depth taken as {}, {}: {:.3g} m to {:.3g} m, shown from black to white. Only the relations "
      "count; the unit can be given",
      metres ? "metres" : "millimetres", why, scale * static_cast<double>(near),
      scale * static_cast<double>(far));
  constexpr double kNearest = 1e-3, kFurthest = 1e4;
  if (scale * static_cast<double>(median) < kNearest ||
      scale * static_cast<double>(median) > kFurthest)
    note += fmt::format(". A median of {:.3g} m is hardly that of a scene: is the unit right?",
                        scale * static_cast<double>(median));
  return note;
}

Prepared pair_of(const media::SceneMap& map, Image map_picture, const Image& picture,
                 const MapPairConfig& config, std::string_view modality,
                 std::vector<std::string> notes) {
  const double map_aspect =
      static_cast<double>(map_picture.width) / static_cast<double>(map_picture.height);
  const double aspect = static_cast<double>(picture.width) / static_cast<double>(picture.height);
  constexpr double kAlike = 0.02;
  if (std::abs(map_aspect / aspect - 1) > kAlike)
    notes.push_back(fmt::format(
        "{}: {}x{} pixels, stretched to the {}x{} of its picture. Do they show the same scene?",
        map.source, map_picture.width, map_picture.height, picture.width, picture.height));
  map_picture = media::resize(map_picture, picture.width, picture.height, media::Filter::kBicubic);

  OpenClipImageConfig view = config.view;
  view.convert_to_rgb_first = true;
  Prepared prepared = prepare_open_clip_image({media::PixelMode::kRgb, picture, {}}, view);
  const Prepared second =
      prepare_open_clip_image({media::PixelMode::kRgb, std::move(map_picture), {}}, view);
  prepared.values.insert(prepared.values.end(), second.values.begin(), second.values.end());
  prepared.shape[0] = 2;
  prepared.modality = modality;
  prepared.notes = std::move(notes);
  return prepared;
}

}  // namespace

DepthUnit parse_depth_unit(std::string_view name) {
  if (name == "guess") return DepthUnit::kGuess;
  if (name == "m") return DepthUnit::kMetres;
  if (name == "mm") return DepthUnit::kMillimetres;
  throw UsageError(fmt::format("unknown unit of depth \"{}\"; expected guess, m or mm", name));
}

Image picture_of_depth(const FloatMap& depth, DepthUnit unit, const std::string& source,
                       std::vector<std::string>& notes) {
  ISTHMUS_CHECK(depth.channels == 1, "depth is one channel");
  std::vector<float> valid;
  std::copy_if(depth.values.begin(), depth.values.end(), std::back_inserter(valid), is_depth);
  if (valid.empty())
    throw InputError(
        fmt::format("{}: no pixel has a depth; all are 0, negative, NaN or infinite", source));
  const auto pixels = static_cast<int64_t>(depth.values.size());
  const int64_t holes = pixels - static_cast<int64_t>(valid.size());
  const float median = quantile(valid, 0.5), near = quantile(valid, 0.01),
              far = quantile(valid, 0.99);
  notes.push_back(fmt::format("{}: {}", source, unit_note(depth, unit, median, near, far)));
  if (holes > 0)
    notes.push_back(fmt::format(
        "{}: {:.1f} % of the pixels have no depth (0, negative, NaN or infinite); they got that of "
        "their neighbours",
        source, percent(holes, pixels)));

  FloatMap filled = depth;
  if (holes > 0) fill_holes(filled);
  Image image = media::filled_image(depth.width, depth.height, {0, 0, 0});
  const double span = static_cast<double>(far) - static_cast<double>(near);
  uint8_t* out = image.pixels.data();
  for (const float value : filled.values) {
    // A wall at one distance is neither near nor far.
    const double level =
        span > 0 ? (static_cast<double>(value) - static_cast<double>(near)) / span : 0.5;
    out = std::fill_n(out, 3, static_cast<uint8_t>(std::lround(std::clamp(level, 0.0, 1.0) * 255)));
  }
  return image;
}

Image picture_of_normals(const FloatMap& normals, const std::string& source,
                         std::vector<std::string>& notes) {
  ISTHMUS_CHECK(normals.channels == 3, "normals are three channels");
  constexpr float kSlack = 0.01f;  // networks and resizing overshoot
  bool any_negative = false;
  for (size_t i = 0; i < normals.values.size(); ++i) {
    const float value = normals.values[i];
    if (!std::isfinite(value)) continue;
    if (std::abs(value) > 1 + kSlack) {
      const auto pixel = static_cast<int64_t>(i) / 3;
      throw InputError(
          fmt::format("{}: component {} of the normal at row {}, column {} is {}; expected -1 to 1 "
                      "(or 0 to 255 "
                      "as uint8)",
                      source, "xyz"[i % 3], pixel / normals.width, pixel % normals.width, value));
    }
    any_negative = any_negative || value < -kSlack;
  }
  if (!any_negative)
    notes.push_back(
        fmt::format("{}: no component is negative; taken as (n + 1) / 2 already", source));
  Image image = media::filled_image(normals.width, normals.height, {128, 128, 128});
  int64_t holes = 0;
  for (size_t i = 0; i < normals.values.size(); i += 3) {
    const float* normal = normals.values.data() + i;
    if (!std::all_of(normal, normal + 3, [](float value) { return std::isfinite(value); })) {
      ++holes;
      continue;
    }
    for (size_t c = 0; c < 3; ++c) {
      const float level = any_negative ? (normal[c] + 1) / 2 : normal[c];
      image.pixels[i + c] = static_cast<uint8_t>(std::lround(std::clamp(level, 0.0f, 1.0f) * 255));
    }
  }
  const int64_t pixels = normals.width * normals.height;
  if (holes == pixels)
    throw InputError(source + ": no pixel has a normal; all are NaN or infinite");
  if (holes > 0)
    notes.push_back(fmt::format("{}: {:.1f} % of the normals are NaN or infinite; shown as grey",
                                source, percent(holes, pixels)));
  return image;
}

Prepared prepare_depth_map(const media::SceneMap& map, const Image& picture,
                           const MapPairConfig& config) {
  std::vector<std::string> notes;
  Image map_picture;
  if (map.picture) {
    map_picture = *map.picture;
    if (config.unit != DepthUnit::kGuess)
      notes.push_back(map.source + ": 8-bit depth is relative; the given unit says nothing");
  } else {
    map_picture = picture_of_depth(map.measured, config.unit, map.source, notes);
  }
  return pair_of(map, std::move(map_picture), picture, config, Modality::kDepthMap,
                 std::move(notes));
}

Prepared prepare_normal_map(const media::SceneMap& map, const Image& picture,
                            const MapPairConfig& config) {
  std::vector<std::string> notes;
  Image map_picture =
      map.picture ? *map.picture : picture_of_normals(map.measured, map.source, notes);
  return pair_of(map, std::move(map_picture), picture, config, Modality::kNormalMap,
                 std::move(notes));
}

}  // namespace isthmus::modalities
