// Points from files: npy, ply, pcd, KITTI's bin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace isthmus::media {

struct PointCloud {
  std::vector<float> positions;    // [count, 3]: x y z, as the file has them
  std::vector<float> colours;      // [count, 3]: red green blue, 0 to 1; empty if there are none
  int64_t points_in_file = 0;      // more than count() if the cloud was thinned
  std::vector<std::string> notes;  // what was changed on the way, for people to read
  std::string source;              // for messages

  int64_t count() const { return static_cast<int64_t>(positions.size() / 3); }
};

struct PointCloudLimits {
  int64_t max_points = int64_t{1} << 20;  // a larger cloud is thinned to it, and says so
  int64_t max_file_bytes = int64_t{1} << 36;
};

// The format is told from the first bytes; KITTI's, which has no mark, from the name ending .bin.
//   npy: [n, 3] x y z, or [n, 6] with red green blue (also turned round: [3, n], [6, n])
//   ply: ascii, binary_little_endian, binary_big_endian; vertices with x y z and, where there are
//        any, colours (red, r or diffuse_red and so on)
//   pcd: ascii, binary, binary_compressed; x y z, and rgb or rgba where there is one
//   bin: x y z reflectance as little-endian float32; the reflectance becomes grey
// Integer colours are divided by the largest of their type. Coordinates may be NaN or infinite:
// scanners mark missing measurements so. `source` stands where the file name would in messages.
// Throws InputError if the bytes are no such file, are cut short, broken, hold no point or exceed
// `limits`; UnsupportedError for variants of the formats that are not read.
PointCloud decode_point_cloud(std::span<const std::byte> bytes, const std::string& source,
                              const PointCloudLimits& limits = {});

// As decode_point_cloud, from a regular file. Throws InputError if it cannot be read.
PointCloud load_point_cloud(const std::filesystem::path& path, const PointCloudLimits& limits = {});

}  // namespace isthmus::media
