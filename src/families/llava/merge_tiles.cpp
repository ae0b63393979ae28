#include "families/llava/merge_tiles.h"

#include <cmath>
#include <utility>

#include "base/check.h"

namespace isthmus::families::llava {
namespace {

// First and one past the last line that holds the picture, of `lines` lines of which the scaled picture takes
// `taken`.                                                             LLaVA, llava_arch.py, unpad_image
std::pair<int64_t, int64_t> kept_lines(int64_t lines, double scaled, bool rounds_before_truncation) {
  if (rounds_before_truncation) scaled = std::round(scaled * 1e7) / 1e7;
  const int64_t padding = (lines - static_cast<int64_t>(scaled)) / 2;
  return {padding, lines - padding};
}

// map [D, height, width] of a picture that was padded to the map's aspect ratio -> without the padding.
Tensor unpad(const Tensor& map, const modalities::Geometry& geometry, bool rounds_before_truncation) {
  const int64_t height = map.size(1), width = map.size(2);
  const auto original_width = static_cast<double>(geometry.width), original_height = static_cast<double>(geometry.height);
  if (original_width / original_height > static_cast<double>(width) / static_cast<double>(height)) {
    const double scale = static_cast<double>(width) / original_width;
    const auto [first, last] = kept_lines(height, original_height * scale, rounds_before_truncation);
    return map.slice(1, first, last);
  }
  const double scale = static_cast<double>(height) / original_height;
  const auto [first, last] = kept_lines(width, original_width * scale, rounds_before_truncation);
  return map.slice(2, first, last);
}

}  // namespace

Tensor merge_tiles(const Tensor& projected, const Tensor& image_newline, layout::PatchMergeType merge,
                   const modalities::Geometry& geometry, bool rounds_before_truncation) {
  const int64_t tiles = projected.size(0), patches = projected.size(1), width = projected.size(2);
  if (merge == layout::PatchMergeType::kFlat) return projected.reshape({-1, width});
  const bool newlines = merge == layout::PatchMergeType::kSpatialUnpad;
  const Tensor base = projected[0];
  if (tiles == 1) return newlines ? torch::cat({base, image_newline.unsqueeze(0)}) : base;

  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  ISTHMUS_CHECK(side * side == patches, "tiles are square");
  const int64_t rows = geometry.grid_height, columns = geometry.grid_width;
  // [D, rows · side, columns · side]: the picture as one map of patches.
  Tensor map = projected.slice(0, 1)
                   .view({rows, columns, side, side, width})
                   .permute({4, 0, 2, 1, 3})
                   .reshape({width, rows * side, columns * side});
  if (newlines) {
    map = unpad(map, geometry, rounds_before_truncation);
    const Tensor newline = image_newline.view({width, 1, 1}).expand({width, map.size(1), 1});
    map = torch::cat({map, newline}, 2);
  }
  return torch::cat({base, map.flatten(1).t()});
}

}  // namespace isthmus::families::llava
