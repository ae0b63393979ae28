#include "media/point_cloud.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "isthmus/error.h"
#include "media/number_array.h"
#include "media/point_readers.h"

namespace isthmus::media {
namespace {

PointCloud read_npy_points(const EncodedPoints& file) {
  const NumberArray array(file.bytes, file.source);
  const Shape& shape = array.shape();
  const auto is_width = [](int64_t extent) { return extent == 3 || extent == 6; };
  if (shape.size() != 2 || (!is_width(shape[1]) && !is_width(shape[0])))
    file.fail(
        fmt::format("holds an array of shape {}; expected [points, 3] (x y z) or [points, 6] "
                    "(x y z red green blue)",
                    to_string(shape)));
  const bool turned = !is_width(shape[1]);
  const int64_t points = turned ? shape[1] : shape[0], width = turned ? shape[0] : shape[1];
  PointCollector collector(file, points, width == 6);
  for (int64_t i = 0; i < points; ++i) {
    if (!collector.wants_next()) continue;
    std::array<double, 6> row{};
    for (int64_t c = 0; c < width; ++c)
      row[static_cast<size_t>(c)] = turned ? array.at(c, i) : array.at(i, c);
    collector.add({row[0], row[1], row[2]}, {row[3], row[4], row[5]});
  }
  PointCloud cloud = collector.finish();
  if (turned)
    cloud.notes.push_back(
        fmt::format("array of shape {} read as one point per column", to_string(shape)));
  // The files that models were trained on have colours from 0 to 1; others have bytes.
  const auto largest = std::max_element(cloud.colours.begin(), cloud.colours.end());
  if (largest != cloud.colours.end() && *largest > 1 && *largest <= 255) {
    cloud.notes.push_back(fmt::format("colours up to {} divided by 255", *largest));
    for (float& colour : cloud.colours) colour /= 255;
  }
  return cloud;
}

// KITTI's velodyne scans: four floats a point, no header.
PointCloud read_bin(const EncodedPoints& file) {
  constexpr size_t kRecord = 4 * sizeof(float);
  if (file.bytes.size() % kRecord != 0)
    file.fail(fmt::format(
        "has {} bytes, which is no multiple of {} (x y z reflectance as float32); not a KITTI scan",
        file.bytes.size(), kRecord));
  const auto points = static_cast<int64_t>(file.bytes.size() / kRecord);
  PointCollector collector(file, points, true);
  for (const std::byte* record = file.bytes.data(); record < file.bytes.data() + file.bytes.size();
       record += kRecord) {
    if (!collector.wants_next()) continue;
    const auto value = [record](size_t i) {
      return read_number(record + i * sizeof(float), NumberType::kF32);
    };
    collector.add({value(0), value(1), value(2)}, {value(3), value(3), value(3)});
  }
  PointCloud cloud = collector.finish();
  cloud.notes.push_back("reflectance taken as grey");
  return cloud;
}

}  // namespace

PointCloud decode_point_cloud(std::span<const std::byte> bytes, const std::string& source,
                              const PointCloudLimits& limits) {
  const EncodedPoints file{bytes, source, limits};
  const std::string_view text = file.text();
  constexpr std::string_view kKnown = "points (npy, ply, pcd, or KITTI's scans named .bin)";
  if (bytes.empty()) file.fail(fmt::format("the file is empty; expected {}", kKnown));
  if (static_cast<int64_t>(bytes.size()) > limits.max_file_bytes)
    file.fail(fmt::format("file has {} bytes; the limit for points is {}", bytes.size(),
                          limits.max_file_bytes));
  if (text.starts_with("\x93NUMPY")) return read_npy_points(file);
  if (text.starts_with("ply\n") || text.starts_with("ply\r")) return read_ply(file);
  if (text.starts_with("# .PCD") || text.starts_with("VERSION")) return read_pcd(file);
  if (source.ends_with(".bin")) return read_bin(file);
  file.fail(fmt::format("not a file of {}", kKnown));
}

PointCloud load_point_cloud(const std::filesystem::path& path, const PointCloudLimits& limits) {
  const std::shared_ptr<const MappedFile> file = map_file(path);
  return decode_point_cloud(file->bytes(), path.string(), limits);
}

}  // namespace isthmus::media
