#include "world/points.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace isthmus::world {
namespace {

// `wanted` of the pixels, evenly at random, in their order.
void choose(Dice& dice, const std::vector<size_t>& pixels, size_t wanted,
            std::vector<size_t>& chosen) {
  for (size_t i = 0, left = wanted; left > 0; ++i) {
    const auto remaining = static_cast<double>(pixels.size() - i);
    if (dice.uniform() * remaining >= static_cast<double>(left)) continue;
    chosen.push_back(pixels[i]);
    --left;
  }
}

}  // namespace

media::PointCloud points_of(Dice& dice, const Scene& scene, const PointOptions& options) {
  constexpr int kSmallest = 64, kLargest = 2048;
  ISTHMUS_CHECK(options.count >= 1 && options.object_share >= 0 && options.object_share <= 1,
                "a share of at least one point");
  const auto count = static_cast<size_t>(options.count);
  const auto of_objects = static_cast<size_t>(std::lround(options.object_share * options.count));
  media::PointCloud cloud;
  cloud.source = "world";
  // Twice the pixels until the smallest group has enough of them.
  for (double side = kSmallest; side <= kLargest; side *= std::sqrt(2.0)) {
    const View view{static_cast<int>(side), static_cast<int>(side)};
    const Maps maps = maps_of(scene, view);
    std::vector<size_t> objects, table, chosen;
    for (size_t i = 0; i < maps.surfaces.size(); ++i)
      if (maps.surfaces[i] != kWallSurface)
        (maps.surfaces[i] == kTableSurface ? table : objects).push_back(i);
    if (objects.size() < of_objects || table.size() < count - of_objects) continue;
    choose(dice, objects, of_objects, chosen);
    choose(dice, table, count - of_objects, chosen);
    const media::Image image = render(scene, view);
    for (const size_t pixel : chosen)
      for (size_t c = 0; c < 3; ++c) {
        cloud.positions.push_back(maps.positions[3 * pixel + c]);
        cloud.colours.push_back(static_cast<float>(image.pixels[3 * pixel + c]) / 255.0f);
      }
    cloud.points_in_file = options.count;
    return cloud;
  }
  ISTHMUS_CHECK(false, "so many points of so small objects are not drawn");
}

}  // namespace isthmus::world
