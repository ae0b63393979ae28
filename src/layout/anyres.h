// How many tiles and rows of the sequence a picture of any resolution becomes (LLaVA 1.6). The
// arithmetic is that of the preprocessing, modalities/anyres.h.
#pragma once

#include <cstdint>
#include <span>

namespace isthmus::layout {

struct PixelSize {
  int64_t width, height;
  bool operator==(const PixelSize&) const = default;
};

// How one picture becomes rows of the sequence.
struct AnyresPlan {
  PixelSize best_resolution;
  int64_t grid_columns, grid_rows;  // tiles besides the base tile
  // Kept lines and columns of the joined map of all tiles; all of it when not unpadded.
  int64_t feature_rows, feature_columns;
  int64_t num_rows;  // base features, kept features, and newlines

  int64_t num_tiles() const { return grid_columns * grid_rows + 1; }
};

// `candidates` must not be empty. `tile`: image_size of the tower; `patches_per_side`: features per
// side of one tile. `unpad` adds one newline row per kept line. `rounds_before_truncation`: as
// transformers does, and the original code does not.
AnyresPlan plan_anyres(PixelSize picture, std::span<const PixelSize> candidates, int64_t tile,
                       int64_t patches_per_side, bool unpad, bool rounds_before_truncation = false);

}  // namespace isthmus::layout
