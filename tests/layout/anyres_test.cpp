#include "layout/anyres.h"

#include <nlohmann/json.hpp>

#include "layout/fixtures.h"

namespace isthmus::layout {
namespace {

constexpr PixelSize kGrid[] = {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};

nlohmann::json rows_of(const char* key) {
  return nlohmann::json::parse(text_of(llava_case("image_preprocess") / "expect.json"))[key];
}

TEST(Anyres, ChoosesTheResolutionsOfTheReference) {
  const nlohmann::json rows = rows_of("select_best_resolution_336_grid");
  for (const auto& row : rows) {
    const PixelSize picture = {row["size_wh"][0], row["size_wh"][1]};
    const AnyresPlan plan = plan_anyres(picture, kGrid, 336, 24, true);
    EXPECT_EQ(plan.best_resolution, (PixelSize{row["best_wh"][0], row["best_wh"][1]}))
        << row.dump();
    EXPECT_EQ(plan.grid_columns, row["grid_wh"][0]) << row.dump();
    EXPECT_EQ(plan.grid_rows, row["grid_wh"][1]) << row.dump();
  }
}

TEST(Anyres, CountsTheRowsOfTheReference) {
  const nlohmann::json rows = rows_of("unpad_336_grid");
  for (const auto& row : rows) {
    const PixelSize picture = {row["size_wh"][0], row["size_wh"][1]};
    const AnyresPlan plan = plan_anyres(picture, kGrid, 336, 24, true);
    if (plan.grid_rows * 24 != row["in_hw"][0] || plan.grid_columns * 24 != row["in_hw"][1])
      continue;
    EXPECT_EQ(plan.feature_rows, row["out_hw"][0]) << row.dump();
    EXPECT_EQ(plan.feature_columns, row["out_hw"][1]) << row.dump();
    EXPECT_EQ(plan.num_rows, row["tokens"]) << row.dump();
  }
}

TEST(Anyres, APictureOfOnePixelHasAPlan) {
  const AnyresPlan plan = plan_anyres({1, 1}, kGrid, 336, 24, true);
  EXPECT_EQ(plan.best_resolution, (PixelSize{336, 672}));
  EXPECT_EQ(plan.num_rows, 576 + 24 * 25);
}

}  // namespace
}  // namespace isthmus::layout
