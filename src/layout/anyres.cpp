#include "layout/anyres.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace isthmus::layout {

PixelSize select_best_resolution(PixelSize picture, std::span<const PixelSize> candidates) {
  ISTHMUS_CHECK(!candidates.empty(), "no candidate resolutions");
  PixelSize best = candidates.front();
  int64_t best_effective = -1, best_waste = 0;
  const auto width = static_cast<double>(picture.width),
             height = static_cast<double>(picture.height);
  for (const PixelSize& candidate : candidates) {
    const double scale = std::min(static_cast<double>(candidate.width) / width,
                                  static_cast<double>(candidate.height) / height);
    const auto fitted_width = static_cast<int64_t>(width * scale);
    const auto fitted_height = static_cast<int64_t>(height * scale);
    const int64_t effective =
        std::min(fitted_width * fitted_height, picture.width * picture.height);
    const int64_t waste = candidate.width * candidate.height - effective;
    if (effective > best_effective || (effective == best_effective && waste < best_waste)) {
      best = candidate;
      best_effective = effective;
      best_waste = waste;
    }
  }
  return best;
}

FeatureWindow unpadded_window(PixelSize picture, int64_t rows, int64_t columns,
                              bool rounds_before_truncation) {
  const auto truncated = [&](double size) {
    return static_cast<int64_t>(rounds_before_truncation ? std::nearbyint(size * 1e7) / 1e7 : size);
  };
  const auto width = static_cast<double>(picture.width),
             height = static_cast<double>(picture.height);
  const auto map_rows = static_cast<double>(rows), map_columns = static_cast<double>(columns);
  if (width / height > map_columns / map_rows) {
    const int64_t border = (rows - truncated(height * (map_columns / width))) / 2;
    return {border, 0, rows - 2 * border, columns};
  }
  const int64_t border = (columns - truncated(width * (map_rows / height))) / 2;
  return {0, border, rows, columns - 2 * border};
}

AnyresPlan plan_anyres(PixelSize picture, std::span<const PixelSize> candidates, int64_t tile,
                       int64_t patches_per_side, bool unpad, bool rounds_before_truncation) {
  AnyresPlan plan{};
  plan.best_resolution = select_best_resolution(picture, candidates);
  plan.grid_columns = plan.best_resolution.width / tile;
  plan.grid_rows = plan.best_resolution.height / tile;
  const int64_t rows = plan.grid_rows * patches_per_side;
  const int64_t columns = plan.grid_columns * patches_per_side;
  plan.window = unpad ? unpadded_window(picture, rows, columns, rounds_before_truncation)
                      : FeatureWindow{0, 0, rows, columns};
  plan.num_rows = patches_per_side * patches_per_side +
                  plan.window.rows * (plan.window.columns + (unpad ? 1 : 0));
  return plan;
}

}  // namespace isthmus::layout
