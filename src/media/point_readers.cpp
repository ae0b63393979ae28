#include "media/point_readers.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::media {
namespace {

template <typename T>
double load(const std::byte* from, bool big_endian) {
  std::byte bytes[sizeof(T)];
  std::memcpy(bytes, from, sizeof bytes);
  if (big_endian) std::reverse(std::begin(bytes), std::end(bytes));
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return static_cast<double>(value);
}

}  // namespace

void EncodedPoints::fail(std::string_view what) const {
  throw InputError(fmt::format("{}: {}", source, what));
}

void EncodedPoints::check_records(int64_t count, int64_t size, size_t header) const {
  const auto available = static_cast<int64_t>(bytes.size() - header);
  int64_t needed = 0;
  if (__builtin_mul_overflow(count, size, &needed) || needed > available)
    fail(
        fmt::format("is truncated: its header announces {} records of at least {} bytes, {} bytes "
                    "follow",
                    count, size, available));
}

size_t size_of(NumberType type) {
  switch (type) {
    case NumberType::kI8:
    case NumberType::kU8: return 1;
    case NumberType::kI16:
    case NumberType::kU16: return 2;
    case NumberType::kI32:
    case NumberType::kU32:
    case NumberType::kF32: return 4;
    case NumberType::kI64:
    case NumberType::kU64:
    case NumberType::kF64: return 8;
  }
  return 0;
}

double colour_scale(NumberType type) {
  switch (type) {
    case NumberType::kU16: return std::numeric_limits<uint16_t>::max();
    case NumberType::kF32:
    case NumberType::kF64: return 1;
    default: return std::numeric_limits<uint8_t>::max();  // wider types hold bytes in practice
  }
}

double read_number(const std::byte* from, NumberType type, bool big_endian) {
  switch (type) {
    case NumberType::kI8: return load<int8_t>(from, big_endian);
    case NumberType::kU8: return load<uint8_t>(from, big_endian);
    case NumberType::kI16: return load<int16_t>(from, big_endian);
    case NumberType::kU16: return load<uint16_t>(from, big_endian);
    case NumberType::kI32: return load<int32_t>(from, big_endian);
    case NumberType::kU32: return load<uint32_t>(from, big_endian);
    case NumberType::kI64: return load<int64_t>(from, big_endian);
    case NumberType::kU64: return load<uint64_t>(from, big_endian);
    case NumberType::kF32: return load<float>(from, big_endian);
    case NumberType::kF64: return load<double>(from, big_endian);
  }
  return 0;
}

PointCollector::PointCollector(const EncodedPoints& file, int64_t points, bool has_colours)
    : has_colours_(has_colours), thinning_(points, file.limits.max_points) {
  if (points < 1) file.fail("holds no point");
  cloud_.source = file.source;
  cloud_.points_in_file = points;
  const auto kept = static_cast<size_t>(std::min(points, file.limits.max_points));
  cloud_.positions.reserve(3 * kept);
  if (has_colours) cloud_.colours.reserve(3 * kept);
  if (points > file.limits.max_points)
    cloud_.notes.push_back(fmt::format("{} of {} points kept, chosen evenly at random",
                                       file.limits.max_points, points));
}

void PointCollector::add(const std::array<double, 3>& position,
                         const std::array<double, 3>& colour) {
  for (const double each : position) cloud_.positions.push_back(static_cast<float>(each));
  if (!has_colours_) return;
  for (const double each : colour) cloud_.colours.push_back(static_cast<float>(each));
}

PointCloud PointCollector::finish() { return std::move(cloud_); }

}  // namespace isthmus::media
