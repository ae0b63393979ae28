// Pictures for CLIP towers as LLaVA prepares them: CLIPImageProcessor, padding to a square, anyres
// tiles.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json_view.h"
#include "media/image.h"
#include "media/resize.h"
#include "modalities/anyres.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

// A preprocessor_config.json, of the tower (CLIPImageProcessor, CLIPFeatureExtractor) or of a
// llava-hf model (LlavaNextImageProcessor).
struct ClipImageConfig {
  bool do_resize, do_center_crop, do_rescale, do_normalize;
  int64_t shortest_edge;  // 0 if `size` gives both sides:
  int64_t resize_width, resize_height;
  int64_t crop_width, crop_height;
  media::Filter resample;
  double rescale_factor;
  std::array<double, 3> image_mean, image_std;
  std::vector<Resolution> image_grid_pinpoints;  // LlavaNextImageProcessor only, else empty

  // Absent keys have CLIPImageProcessor's defaults. Throws ModelError, UnsupportedError for other
  // filters.
  static ClipImageConfig parse(const JsonView& json);
};

// How a picture that is not square meets a square tower: `image_aspect_ratio` of config.json.
enum class AspectMode {
  kSquare,  // shorter side to the tower's size, centre crop
  kPad,     // padded with the mean colour first
  kAnyres,  // a grid of tiles on black, after the whole picture squashed into one tile
};
// As the reference: whatever is not "pad" or "anyres" is the plain processor ("square", absent).
AspectMode parse_aspect_mode(std::string_view name);

// The tiles as bytes, before rescaling and normalising.
struct ClipTiles {
  std::vector<media::Image> tiles;
  Geometry geometry;
};
// `grid_pinpoints` is used by kAnyres only, where it must not be empty. Throws InputError for
// pictures too elongated to be prepared, ModelError where config and grid do not fit each other.
ClipTiles cut_clip_tiles(const media::Image& image, const ClipImageConfig& config, AspectMode mode,
                         const std::vector<Resolution>& grid_pinpoints = {});

// [tiles, 3, height, width]; one tile unless kAnyres. Each sample x becomes (float(x *
// rescale_factor) - mean) / std in float32.
Prepared prepare_clip_image(const media::Image& image, const ClipImageConfig& config,
                            AspectMode mode, const std::vector<Resolution>& grid_pinpoints = {});

}  // namespace isthmus::modalities
