// Which tiles a picture of any resolution is cut into, and how many rows of the sequence they
// become (LLaVA 1.6; llava/mm_utils.py and llava/model/llava_arch.py of the reference).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::layout {

struct PixelSize {
  int64_t width, height;
  bool operator==(const PixelSize&) const = default;
};

// The candidate that keeps most of the picture's own pixels after it is fitted inside; of equals
// the one that wastes fewest pixels, of those the first. `candidates` must not be empty.
PixelSize select_best_resolution(PixelSize picture, std::span<const PixelSize> candidates);

// A part of a feature map: `rows` × `columns` features from (top, left) on.
struct FeatureWindow {
  int64_t top, left, rows, columns;
  bool operator==(const FeatureWindow&) const = default;
};

// The features of a `rows` × `columns` map that saw the picture and not the border it was padded
// with. Quirk: an odd border keeps one feature row more than the picture covers (`unpad_image`).
// `rounds_before_truncation`: transformers rounds the covered size to 7 digits first, the original
// code does not.
FeatureWindow unpadded_window(PixelSize picture, int64_t rows, int64_t columns,
                              bool rounds_before_truncation = false);

// How one picture becomes rows of the sequence.
struct AnyresPlan {
  PixelSize best_resolution;
  int64_t grid_columns, grid_rows;  // tiles besides the base tile
  FeatureWindow window;  // of the joined map of all tiles; the whole of it when not unpadded
  int64_t num_rows;      // base features, kept features, and newlines

  int64_t num_tiles() const { return grid_columns * grid_rows + 1; }
};

// `tile`: image_size of the tower; `patches_per_side`: features per side of one tile. `unpad` adds
// one newline row per kept feature row.
AnyresPlan plan_anyres(PixelSize picture, std::span<const PixelSize> candidates, int64_t tile,
                       int64_t patches_per_side, bool unpad, bool rounds_before_truncation = false);

}  // namespace isthmus::layout
