// Where the pixels an encoder saw lie in the user's own picture.
#pragma once

#include <cstdint>

namespace isthmus::modalities {

// A rectangle in pixels of the original picture, clipped to it; empty (zero area) for padding.
struct SourceBox {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool empty() const { return right <= left || bottom <= top; }
};

// A picture was scaled to resized_width x resized_height and laid with its corner at (left, top) on
// a canvas; negative where it was cropped. The canvas was cut into grid_width x grid_height tiles,
// row by row. With a base tile, tile 0 is the whole picture squashed into one tile, and the grid
// starts at tile 1.
struct Geometry {
  int64_t original_width = 0, original_height = 0;
  int64_t tile_width = 0, tile_height = 0;
  int64_t grid_width = 1, grid_height = 1;
  bool has_base_tile = false;
  double resized_width = 0, resized_height = 0;
  double left = 0, top = 0;

  int64_t num_tiles() const { return grid_width * grid_height + (has_base_tile ? 1 : 0); }
  int64_t canvas_width() const { return grid_width * tile_width; }
  int64_t canvas_height() const { return grid_height * tile_height; }
  // Of the rectangle [x0, x1) x [y0, y1) of a tile, in tile pixels.
  SourceBox source_of(int64_t tile, double x0, double y0, double x1, double y1) const;
  // Of one patch of a tile cut into patches of patch_size pixels.
  SourceBox source_of_patch(int64_t tile, int64_t patch_row, int64_t patch_column,
                            int64_t patch_size) const;
};

}  // namespace isthmus::modalities
