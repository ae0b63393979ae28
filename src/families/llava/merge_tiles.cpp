#include "families/llava/merge_tiles.h"

#include <cmath>

#include "base/check.h"

namespace isthmus::families::llava {
namespace {

// map [D, height, width] of a picture that was padded to the map's aspect ratio -> without the
// padding.
Tensor unpad(const Tensor& map, const modalities::Geometry& geometry, modalities::UnpadRule rule) {
  const modalities::FeatureWindow window = modalities::unpad_rows_and_columns(
      map.size(1), map.size(2), {geometry.original_width, geometry.original_height}, rule);
  return map.slice(1, window.row_begin, window.row_end)
      .slice(2, window.column_begin, window.column_end);
}

}  // namespace

Tensor merge_tiles(const Tensor& projected, const Tensor& image_newline,
                   layout::PatchMergeType merge, const modalities::Geometry& geometry,
                   modalities::UnpadRule rule) {
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
    map = unpad(map, geometry, rule);
    const Tensor newline = image_newline.view({width, 1, 1}).expand({width, map.size(1), 1});
    map = torch::cat({map, newline}, 2);
  }
  return torch::cat({base, map.flatten(1).t()});
}

}  // namespace isthmus::families::llava
