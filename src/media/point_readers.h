// The reader of each format of points, and what they share. Only point_cloud.cpp calls the former.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "media/number_text.h"
#include "media/point_cloud.h"
#include "media/thinning.h"

namespace isthmus::media {

struct EncodedPoints {
  std::span<const std::byte> bytes;
  const std::string& source;
  const PointCloudLimits& limits;

  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // "<source>: <what>", an InputError.
  [[noreturn]] void fail(std::string_view what) const;
  // Throws unless `count` records of at least `size` bytes fit behind the first `header` bytes.
  void check_records(int64_t count, int64_t size, size_t header) const;
};

PointCloud read_ply(const EncodedPoints& file);
PointCloud read_pcd(const EncodedPoints& file);

// Element types of ply and pcd files.
enum class NumberType { kI8, kU8, kI16, kU16, kI32, kU32, kI64, kU64, kF32, kF64 };
size_t size_of(NumberType type);
// What an integer colour is divided by; 1 for floats.
double colour_scale(NumberType type);
double read_number(const std::byte* from, NumberType type, bool big_endian = false);

// Collects the points of a file one after the other, thinned to the limit.
class PointCollector {
 public:
  // Throws InputError unless there is at least one point.
  PointCollector(const EncodedPoints& file, int64_t points, bool has_colours);
  // Whether the next point is kept: then it must be added.
  bool wants_next() { return thinning_.keep(); }
  void add(const std::array<double, 3>& position, const std::array<double, 3>& colour);
  PointCloud finish();

 private:
  PointCloud cloud_;
  bool has_colours_;
  Thinning thinning_;
};

}  // namespace isthmus::media
