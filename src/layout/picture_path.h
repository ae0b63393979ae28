// The way of one picture through a LLaVA, in words and shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/shape.h"
#include "layout/anyres.h"
#include "layout/llava_config.h"

namespace isthmus::layout {

struct PicturePath {
  struct Step {
    std::string what;  // "CLIP ViT-L/14, hidden state -2"
    Shape shape;       // [1, 576, 1024]; empty where there is no tensor yet
  };

  PixelSize picture;
  std::vector<Step> steps;
  PixelSize best_resolution;        // anyres; else the tower's image_size
  int64_t grid_columns, grid_rows;  // anyres tiles besides the base; else 0
  int64_t num_tiles, num_rows;      // encoder inputs, rows of the sequence
};

PicturePath picture_path(const LlavaConfig& config, const ClipVisionConfig& tower,
                         PixelSize picture);

// "image 640x480 → pad to 640x640 → … → 576 rows of 4096"
std::string to_string(const PicturePath& path);
// {"size": [width, height], "steps": [{"step", "shape"}, …]}
nlohmann::json to_json(const PicturePath& path);

// "CLIP ViT-L/14"; towers of unpublished widths are named by it: "CLIP ViT-48/14".
std::string tower_name(int64_t width, int64_t patch_size);
std::string tower_name(const ClipVisionConfig& tower);

}  // namespace isthmus::layout
