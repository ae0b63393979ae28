// Joins the projected tiles of one picture into the rows that enter the sequence.
#pragma once

#include <torch/types.h>

#include "layout/llava_config.h"
#include "modalities/anyres.h"
#include "modalities/geometry.h"

namespace isthmus::families::llava {
using torch::Tensor;

// projected [tiles, N, D] -> [rows, D].  LLaVA, llava_arch.py, prepare_inputs_labels_for_multimodal
//   flat: all tiles one after the other.
//   spatial, spatial_unpad with more than one tile: the base tile, then the grid row by row of
//   patches; unpad cuts off the rows or columns that are padding and ends every line with
//   `image_newline` [D]. One tile: its rows, and one newline for unpad.
// `rounds_before_truncation`: transformers rounds the scaled size to 7 digits before it truncates,
// the original code does not; they differ by a line of patches for a few sizes.
Tensor merge_tiles(const Tensor& projected, const Tensor& image_newline,
                   layout::PatchMergeType merge, const modalities::Geometry& geometry,
                   modalities::UnpadRule rule);

}  // namespace isthmus::families::llava
