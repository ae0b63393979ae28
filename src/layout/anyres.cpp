#include "layout/anyres.h"

#include <vector>

#include "modalities/anyres.h"

namespace isthmus::layout {

AnyresPlan plan_anyres(PixelSize picture, std::span<const PixelSize> candidates, int64_t tile,
                       int64_t patches_per_side, bool unpad, bool rounds_before_truncation) {
  const modalities::Resolution original = {picture.width, picture.height};
  std::vector<modalities::Resolution> resolutions;
  for (const PixelSize& size : candidates) resolutions.emplace_back(size.width, size.height);
  const auto [width, height] = modalities::select_best_resolution(original, resolutions);

  AnyresPlan plan{};
  plan.best_resolution = {width, height};
  plan.grid_columns = width / tile;
  plan.grid_rows = height / tile;
  plan.feature_rows = plan.grid_rows * patches_per_side;
  plan.feature_columns = plan.grid_columns * patches_per_side;
  if (unpad) {
    const auto rule = rounds_before_truncation ? modalities::UnpadRule::kRoundThenTruncate
                                               : modalities::UnpadRule::kTruncate;
    const modalities::FeatureWindow kept =
        modalities::unpad_rows_and_columns(plan.feature_rows, plan.feature_columns, original, rule);
    plan.feature_rows = kept.rows();
    plan.feature_columns = kept.columns();
  }
  plan.num_rows = patches_per_side * patches_per_side +
                  plan.feature_rows * (plan.feature_columns + (unpad ? 1 : 0));
  return plan;
}

}  // namespace isthmus::layout
