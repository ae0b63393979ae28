#include "modalities/point_cloud.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "media/thinning.h"

namespace isthmus::modalities {
namespace {

constexpr size_t kWidth = 6;  // x y z red green blue

bool is_finite(std::span<const float> position) {
  return std::isfinite(position[0]) && std::isfinite(position[1]) && std::isfinite(position[2]);
}

// Their mean to the origin, the furthest to distance 1.
void normalize(std::vector<float>& rows, const std::string& source) {
  const auto count = static_cast<double>(rows.size() / kWidth);
  std::array<double, 3> mean{};
  for (size_t i = 0; i < rows.size(); i += kWidth)
    for (size_t c = 0; c < 3; ++c) mean[c] += rows[i + c] / count;
  double radius = 0;
  for (size_t i = 0; i < rows.size(); i += kWidth) {
    double square = 0;
    for (size_t c = 0; c < 3; ++c) {
      rows[i + c] -= static_cast<float>(mean[c]);
      square += double{rows[i + c]} * rows[i + c];
    }
    radius = std::max(radius, square);
  }
  if (radius == 0) throw InputError(fmt::format("{}: all points lie in one place", source));
  const auto scale = static_cast<float>(std::sqrt(radius));
  for (size_t i = 0; i < rows.size(); i += kWidth)
    for (size_t c = 0; c < 3; ++c) rows[i + c] /= scale;
}

// Coordinate after coordinate, so that neighbours in memory are neighbours in index.
struct Coordinates {
  std::vector<float> x, y, z;

  explicit Coordinates(std::span<const float> points) {
    for (size_t i = 0; i + 2 < points.size(); i += 3) {
      x.push_back(points[i]);
      y.push_back(points[i + 1]);
      z.push_back(points[i + 2]);
    }
  }
  size_t size() const { return x.size(); }
};

constexpr size_t kChunk = 256;  // points whose largest distance is kept together

// Lowers nearest[i], first <= i < last, to the squared distance from point `from`; returns the
// largest of them.
float lower_distances(const Coordinates& points, size_t from, size_t first, size_t last,
                      float* nearest) {
  const float x = points.x[from], y = points.y[from], z = points.z[from];
  const float *xs = points.x.data(), *ys = points.y.data(), *zs = points.z.data();
  for (size_t i = first; i < last; ++i) {
    const float dx = xs[i] - x, dy = ys[i] - y, dz = zs[i] - z;
    const float square = (dx * dx + dy * dy) + dz * dz;
    nearest[i] = square < nearest[i] ? square : nearest[i];
  }
  constexpr size_t kLanes = 8;  // partial maxima, so that the compiler may use vectors
  float largest[kLanes] = {};
  size_t i = first;
  for (; i + kLanes <= last; i += kLanes)
    for (size_t l = 0; l < kLanes; ++l)
      largest[l] = nearest[i + l] > largest[l] ? nearest[i + l] : largest[l];
  for (; i < last; ++i) largest[0] = std::max(largest[0], nearest[i]);
  return *std::max_element(std::begin(largest), std::end(largest));
}

}  // namespace

Prepared prepare_point_cloud(const media::PointCloud& cloud, const PointCloudConfig& config) {
  const auto position = [&](int64_t i) {
    return std::span(cloud.positions).subspan(static_cast<size_t>(3 * i), 3);
  };
  int64_t finite = 0;
  for (int64_t i = 0; i < cloud.count(); ++i) finite += is_finite(position(i)) ? 1 : 0;
  if (finite < config.min_points)
    throw InputError(fmt::format("{}: has {} points{}; at least {} are needed", cloud.source,
                                 finite, finite < cloud.count() ? " with finite coordinates" : "",
                                 config.min_points));

  Prepared prepared;
  prepared.modality = Modality::kPointCloud;
  prepared.notes = cloud.notes;
  media::Thinning thinning(finite, config.max_points);
  for (int64_t i = 0; i < cloud.count(); ++i) {
    if (!is_finite(position(i)) || !thinning.keep()) continue;
    prepared.values.insert(prepared.values.end(), position(i).begin(), position(i).end());
    for (size_t c = 0; c < 3; ++c) {
      const float colour =
          cloud.colours.empty() ? 0 : cloud.colours[static_cast<size_t>(3 * i) + c];
      prepared.values.push_back(std::isfinite(colour) ? colour : 0);
    }
  }
  if (finite < cloud.count())
    prepared.notes.push_back(
        fmt::format("{} of {} points left out: not finite", cloud.count() - finite, cloud.count()));
  if (finite > config.max_points)
    prepared.notes.push_back(
        fmt::format("{} of {} points kept, chosen evenly at random", config.max_points, finite));
  if (cloud.colours.empty()) prepared.notes.push_back("no colours in the file: black");
  if (config.normalize) normalize(prepared.values, cloud.source);
  prepared.shape = {static_cast<int64_t>(prepared.values.size() / kWidth),
                    static_cast<int64_t>(kWidth)};
  return prepared;
}

PointGroups group_points(std::span<const float> points, const PointGroupingConfig& config) {
  ISTHMUS_CHECK(points.size() % kWidth == 0, "points with six columns");
  const size_t first_column = config.metric == PointMetric::kColour ? 3 : 0;
  std::vector<float> columns;
  for (size_t i = 0; i < points.size(); i += kWidth)
    for (size_t c = 0; c < 3; ++c) columns.push_back(points[i + first_column + c]);
  PointGroups groups;
  groups.centres = furthest_points(columns, config.num_groups);
  groups.members = nearest_points(columns, groups.centres, config.group_size);
  return groups;
}

std::vector<int32_t> furthest_points(std::span<const float> points, int64_t num_chosen) {
  const Coordinates coordinates(points);
  const size_t count = coordinates.size();
  if (count == 0) throw InputError("furthest point sampling: there is no point");
  constexpr size_t kMostThreads = 1024;
  size_t block = 1;
  while (2 * block <= std::min(count, kMostThreads)) block *= 2;

  constexpr float kFar = 1e10f;  // the reference's beginning: nothing is chosen yet
  std::vector<float> nearest(count, kFar);
  std::vector<float> largest((count + kChunk - 1) / kChunk);  // of each chunk
  std::vector<int32_t> chosen;
  size_t next = 0;
  while (static_cast<int64_t>(chosen.size()) < num_chosen) {
    chosen.push_back(static_cast<int32_t>(next));
    const auto end_of = [count](size_t chunk) { return std::min(count, (chunk + 1) * kChunk); };
    for (size_t c = 0; c < largest.size(); ++c)
      largest[c] = lower_distances(coordinates, next, c * kChunk, end_of(c), nearest.data());
    const float furthest = *std::max_element(largest.begin(), largest.end());
    next = count;
    for (size_t c = 0; c < largest.size(); ++c)
      for (size_t i = c * kChunk; largest[c] == furthest && i < end_of(c); ++i)
        if (nearest[i] == furthest && (next == count || i % block < next % block)) next = i;
  }
  return chosen;
}

std::vector<int32_t> nearest_points(std::span<const float> points, std::span<const int32_t> centres,
                                    int64_t num_nearest) {
  const Coordinates coordinates(points);
  const size_t count = coordinates.size();
  const auto wanted = static_cast<size_t>(num_nearest);
  if (count < wanted)
    throw InputError(fmt::format("a group of {} points cannot be made of {}", wanted, count));
  std::vector<int32_t> members;
  std::vector<double> squares(count);
  std::vector<std::pair<double, int32_t>> best;  // a heap, the furthest on top
  for (const int32_t centre : centres) {
    const auto at = static_cast<size_t>(centre);
    const double x = coordinates.x[at], y = coordinates.y[at], z = coordinates.z[at];
    for (size_t i = 0; i < count; ++i) {
      const double dx = coordinates.x[i] - x, dy = coordinates.y[i] - y, dz = coordinates.z[i] - z;
      squares[i] = dx * dx + dy * dy + dz * dz;
    }
    best.clear();
    for (size_t i = 0; i < count; ++i) {
      if (best.size() == wanted) {
        // Indices ascend, so an equally far point never displaces one with a lower index.
        if (squares[i] >= best.front().first) continue;
        std::pop_heap(best.begin(), best.end());
        best.pop_back();
      }
      best.emplace_back(squares[i], static_cast<int32_t>(i));
      std::push_heap(best.begin(), best.end());
    }
    const auto begin = static_cast<std::ptrdiff_t>(members.size());
    for (const auto& [square, index] : best) members.push_back(index);
    std::sort(members.begin() + begin, members.end());
  }
  return members;
}

}  // namespace isthmus::modalities
