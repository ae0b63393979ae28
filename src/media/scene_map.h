// Pictures whose samples are measurements rather than light: depth and surface normals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "media/decode_image.h"
#include "media/image.h"

namespace isthmus::media {

// Rows from top to bottom, samples of a pixel together; any float, NaN and infinity included.
struct FloatMap {
  int64_t width = 0, height = 0, channels = 1;
  std::vector<float> values;
  bool whole_numbers = false;  // the file stores integers
};

enum class SceneMapKind { kDepth, kNormals };  // one channel, three channels

// Either an 8-bit picture, as RGB, or measurements.
struct SceneMap {
  std::string source;
  std::optional<Image> picture;
  FloatMap measured;
};

// The format is told from the first bytes:
//   pictures of 8 bits: as decode_image gives them
//   PNG of 16-bit grey: measured, for kDepth only
//   npy: [height, width], also with one axis of one channel; or [height, width, 3], also turned
//        round as [3, height, width]; of uint8 a picture, of any other type measured
//   EXR: the channel Z, depth or Y, a single one of any name or R; for kNormals X Y Z (also with a
//        common prefix, as in N.X) or R G B
// `source` stands where the file name would in messages. Throws InputError if the bytes are no such
// file, are cut short, broken, have other channels or exceed `limits`; UnsupportedError for
// variants that are not read.
SceneMap decode_scene_map(std::span<const std::byte> bytes, const std::string& source,
                          SceneMapKind kind, const ImageLimits& limits = {});
// As decode_scene_map, from a regular file. Throws InputError if it cannot be read.
SceneMap load_scene_map(const std::filesystem::path& path, SceneMapKind kind,
                        const ImageLimits& limits = {});

// Of the first part of an EXR file; only decode_scene_map calls it.
FloatMap decode_exr(std::span<const std::byte> bytes, const std::string& source, SceneMapKind kind,
                    const ImageLimits& limits);

}  // namespace isthmus::media
