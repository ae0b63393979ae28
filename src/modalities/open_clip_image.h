// Pictures for CLIP towers as open_clip's evaluation transform prepares them (OpenFlamingo).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "media/native_image.h"
#include "media/transform.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

struct OpenClipImageConfig {
  int64_t image_size;  // S: pixels per side of the tower's square
  std::array<double, 3> mean{0.48145466, 0.4578275, 0.40821073};  // OPENAI_DATASET_MEAN
  std::array<double, 3> std{0.26862954, 0.26130258, 0.27577711};  // OPENAI_DATASET_STD
  // The reference resizes a file's own samples and converts what the crop keeps: palettes are not
  // smoothed, alpha weighs colours. Its training data are converted to RGB before.
  bool convert_to_rgb_first = false;
  // Instead of the middle: this part of the picture, squashed into the square. References that cut
  // at random while training (torchvision's RandomResizedCrop) do so; always converted to RGB
  // first.
  std::optional<media::Box> crop = std::nullopt;
};

// The pixels that the tower sees, S x S RGB, before scaling and normalising.
struct OpenClipCrop {
  media::Image image;
  Geometry geometry;
};
// The shorter side becomes S pixels (bicubic; nothing if it is), the middle is cut out. Only what
// the crop keeps is computed. Throws InputError for pictures too elongated to be resized,
// UnsupportedError for 16-bit grey that would have to be (see media/native_resize.h), UsageError if
// `crop` is not inside the picture.
OpenClipCrop cut_open_clip_image(const media::NativeImage& image,
                                 const OpenClipImageConfig& config);

// [1, 3, S, S]. Each sample x becomes (x / 255 - mean) / std in float32.
Prepared prepare_open_clip_image(const media::NativeImage& image,
                                 const OpenClipImageConfig& config);

}  // namespace isthmus::modalities
