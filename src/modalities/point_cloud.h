// Point clouds as OneLLM prepares and groups them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "media/point_cloud.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

struct PointCloudConfig {
  int64_t max_points = 8192;  // what the models were trained on; larger clouds are thinned to it
  int64_t min_points = 32;    // one group of the tokenizer
  bool normalize = true;      // the reference does so except when it fine-tunes
};

// [points, 6]: x y z with their mean at the origin and the furthest at distance 1, then red green
// blue, 0 where the file has none. Points that are not finite are left out. Whatever was left out
// or filled in is in `notes`. Throws InputError if too few points are left or all lie in one place.
Prepared prepare_point_cloud(const media::PointCloud& cloud, const PointCloudConfig& config = {});

// Which three of the six columns tell how far points are from each other.
enum class PointMetric {
  kColour,    // Quirk (OneLLM's tokenizer): the last three, of which the published weights depend
  kPosition,  // what is meant
};

struct PointGroupingConfig {
  int64_t num_groups = 1024, group_size = 32;
  PointMetric metric = PointMetric::kColour;
};

struct PointGroups {
  std::vector<int32_t> centres;  // [num_groups]
  std::vector<int32_t> members;  // [num_groups, group_size], ascending in each group
};

// Centres by furthest point sampling, members the nearest to each, itself among them; of equally
// near ones the lower indices. `points` is [count, 6]. Throws InputError if count < group_size.
PointGroups group_points(std::span<const float> points, const PointGroupingConfig& config = {});

// Furthest point sampling of `points` [count, 3], all finite: index 0 first, then always the point
// furthest from all chosen ones, by float squared distances (dx dx + dy dy) + dz dz. Ties as in the
// golden cases, where b = min(1024, largest power of two <= count) threads share the points: the
// smallest index modulo b, then the smallest index. Once all points coincide with chosen ones,
// index 0 again.
std::vector<int32_t> furthest_points(std::span<const float> points, int64_t num_chosen);

// For each of `centres` the `num_nearest` nearest of `points` [count, 3], in ascending order of
// index.
std::vector<int32_t> nearest_points(std::span<const float> points, std::span<const int32_t> centres,
                                    int64_t num_nearest);

}  // namespace isthmus::modalities
