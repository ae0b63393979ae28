// Media of the world as bytes of files that the loaders of media/ and everybody else's read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "media/image.h"
#include "media/imu.h"
#include "media/point_cloud.h"
#include "world/film.h"
#include "world/render.h"

namespace isthmus::world {

using Bytes = std::vector<std::byte>;

// PNG of one or three channels, 8 bits.
Bytes write_png(const media::Image& image);
// PNG, 16-bit grey: 4096 to a unit of the scene.
Bytes write_depth_png(const Maps& maps);
// Components from -1 to 1 as bytes, round(255 (n / 2 + 1 / 2)).
media::Image normal_picture(const Maps& maps);
// WAV, 16 bits, one channel.
Bytes write_wav(std::span<const float> samples, int sample_rate);
// PLY, binary: x y z as floats, red green blue as bytes.
Bytes write_ply(const media::PointCloud& cloud);
// One line per sample: timestamp_ms, acc_x … gyro_z.
Bytes write_csv(const media::ImuRecording& recording);
// NPY of float32.
Bytes write_npy(std::span<const float> values, const std::vector<int64_t>& shape);
// AVI whose frames are PNG files (MPNG): without loss.
Bytes write_avi(const Film& film);

}  // namespace isthmus::world
