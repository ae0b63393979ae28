// Depth and normal maps, each with the picture of the same scene (OneLLM).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "media/image.h"
#include "media/scene_map.h"
#include "modalities/open_clip_image.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

// Of measured depths. kGuess: whole numbers are millimetres; of floats, a median above 100 means
// millimetres, anything else metres. The guess is written into the notes.
enum class DepthUnit { kGuess, kMetres, kMillimetres };
// "guess", "m", "mm"; throws UsageError for any other.
DepthUnit parse_depth_unit(std::string_view name);

struct MapPairConfig {
  OpenClipImageConfig view{.image_size = 224, .convert_to_rgb_first = true};  // of both
  DepthUnit unit = DepthUnit::kGuess;
};

// [2, 3, S, S]: the picture, then the map, both cut alike. The map is resized to the picture's size
// first (bicubic, as Pillow). 8-bit maps are taken as they are, as the reference does; measured
// ones become pictures by the functions below. What was changed is in `notes`. Throws InputError
// for maps that hold nothing, and what prepare_open_clip_image throws.
Prepared prepare_depth_map(const media::SceneMap& map, const media::Image& picture,
                           const MapPairConfig& config = {});
Prepared prepare_normal_map(const media::SceneMap& map, const media::Image& picture,
                            const MapPairConfig& config = {});

// The models were trained on depth that a network had guessed: relative, without holes, one byte,
// larger is further. So measured depth is spread linearly over the bytes, from the depth that 1 %
// of the pixels are nearer than (black) to that of 99 % (white); units do not matter to that.
// Pixels without a depth (0, negative, NaN, infinite) get that of the nearest pixel of their row
// that has one, rows without any that of the nearest row. Throws InputError if no pixel has a
// depth.
media::Image picture_of_depth(const media::FloatMap& depth, DepthUnit unit,
                              const std::string& source, std::vector<std::string>& notes);

// Components from -1 to 1 become bytes, (n + 1) / 2 * 255 rounded; if none is negative they are
// taken as (n + 1) / 2 already. Pixels with NaN or infinity become grey, the direction of none.
// Throws InputError if components lie outside -1 to 1.
media::Image picture_of_normals(const media::FloatMap& normals, const std::string& source,
                                std::vector<std::string>& notes);

}  // namespace isthmus::modalities
