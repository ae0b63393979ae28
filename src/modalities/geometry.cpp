#include "modalities/geometry.h"

#include <algorithm>

#include "base/check.h"

namespace isthmus::modalities {

SourceBox Geometry::source_of(int64_t tile, double x0, double y0, double x1, double y1) const {
  ISTHMUS_CHECK(tile >= 0 && tile < num_tiles(), "tile " + std::to_string(tile));
  double scaled_width = resized_width, scaled_height = resized_height, shift_x = -left,
         shift_y = -top;
  if (has_base_tile && tile == 0) {
    scaled_width = static_cast<double>(tile_width);
    scaled_height = static_cast<double>(tile_height);
    shift_x = shift_y = 0;
  } else {
    const int64_t cell = tile - (has_base_tile ? 1 : 0);
    shift_x += static_cast<double>(cell % grid_width * tile_width);
    shift_y += static_cast<double>(cell / grid_width * tile_height);
  }
  const auto width = static_cast<double>(original_width),
             height = static_cast<double>(original_height);
  const auto across = [&](double x) {
    return std::clamp((x + shift_x) * width / scaled_width, 0.0, width);
  };
  const auto down = [&](double y) {
    return std::clamp((y + shift_y) * height / scaled_height, 0.0, height);
  };
  return {across(x0), down(y0), across(x1), down(y1)};
}

SourceBox Geometry::source_of_patch(int64_t tile, int64_t patch_row, int64_t patch_column,
                                    int64_t patch_size) const {
  const auto x = static_cast<double>(patch_column * patch_size),
             y = static_cast<double>(patch_row * patch_size);
  const auto size = static_cast<double>(patch_size);
  return source_of(tile, x, y, x + size, y + size);
}

}  // namespace isthmus::modalities
