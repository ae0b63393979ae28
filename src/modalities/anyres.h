// LLaVA 1.6: which grid of tiles a picture is cut into, and which features of it are padding.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/json_view.h"

namespace isthmus::modalities {

using Resolution = std::pair<int64_t, int64_t>;  // width, height in pixels

// The original configs list (width, height), transformers' llava_next lists (height, width). The
// usual grids hold both orders of every pair, but ties go to the first.
enum class PinpointOrder { kWidthHeight, kHeightWidth };

// `image_grid_pinpoints`: a list of pairs, or the same as Python text ("[(336, 672), (672, 336)]").
// Returns (width, height) in the order of the list. Throws ModelError.
std::vector<Resolution> parse_grid_pinpoints(const JsonView& value, PinpointOrder order);

// The candidate that keeps most of the picture's pixels; of those the one with the least padding;
// of those the first. `candidates` must not be empty.
Resolution select_best_resolution(const Resolution& original,
                                  const std::vector<Resolution>& candidates);

// Width and height of the picture inside `target`, keeping its aspect.
Resolution fit_within(const Resolution& original, const Resolution& target);

// Rows [row_begin, row_end) and columns [column_begin, column_end) of a feature map.
struct FeatureWindow {
  int64_t row_begin, row_end, column_begin, column_end;
  int64_t rows() const { return row_end - row_begin; }
  int64_t columns() const { return column_end - column_begin; }
};

// transformers rounds the extent to seven decimals before truncating it, the original code does
// not.
enum class UnpadRule { kTruncate, kRoundThenTruncate };

// The part of a feature map of the whole grid (all tiles joined, feature_height x feature_width)
// that shows the picture and not its padding. One row or column of padding may remain; very flat
// pictures may leave none at all.
FeatureWindow unpad_rows_and_columns(int64_t feature_height, int64_t feature_width,
                                     const Resolution& original,
                                     UnpadRule rule = UnpadRule::kTruncate);

}  // namespace isthmus::modalities
