#include "layout/anyres.h"

#include <nlohmann/json.hpp>

#include "layout/fixtures.h"

namespace isthmus::layout {
namespace {

constexpr PixelSize kGrid[] = {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};

nlohmann::json expectations() {
  return nlohmann::json::parse(text_of(llava_case("image_preprocess") / "expect.json"));
}

TEST(Anyres, ChoosesTheResolutionsOfTheReference) {
  for (const auto& row : expectations()["select_best_resolution_336_grid"]) {
    const PixelSize picture = {row["size_wh"][0], row["size_wh"][1]};
    const AnyresPlan plan = plan_anyres(picture, kGrid, 336, 24, true);
    EXPECT_EQ(plan.best_resolution, (PixelSize{row["best_wh"][0], row["best_wh"][1]}))
        << row.dump();
    EXPECT_EQ(plan.grid_columns, row["grid_wh"][0]) << row.dump();
    EXPECT_EQ(plan.grid_rows, row["grid_wh"][1]) << row.dump();
  }
}

TEST(Anyres, KeepsTheRowsTheReferenceKeeps) {
  for (const auto& row : expectations()["unpad_336_grid"]) {
    const PixelSize picture = {row["size_wh"][0], row["size_wh"][1]};
    const FeatureWindow window = unpadded_window(picture, row["in_hw"][0], row["in_hw"][1]);
    EXPECT_EQ(window.rows, row["out_hw"][0]) << row.dump();
    EXPECT_EQ(window.columns, row["out_hw"][1]) << row.dump();
    EXPECT_EQ(576 + window.rows * (window.columns + 1), row["tokens"]) << row.dump();
  }
}

TEST(Anyres, ChoosesForEveryPictureOfTheFixture) {
  const auto expected = expectations();
  std::vector<PixelSize> grid;
  for (const auto& pair : expected["grid_pinpoints"]) grid.push_back({pair[0], pair[1]});
  for (const auto& image : expected["images"]) {
    if (!image.contains("anyres_best_resolution") || image["anyres_best_resolution"].is_null())
      continue;
    const PixelSize best = select_best_resolution({image["size_wh"][0], image["size_wh"][1]}, grid);
    EXPECT_EQ(best,
              (PixelSize{image["anyres_best_resolution"][0], image["anyres_best_resolution"][1]}))
        << image["key"];
  }
}

TEST(Anyres, APictureOfOnePixelHasAPlan) {
  const AnyresPlan plan = plan_anyres({1, 1}, kGrid, 336, 24, true);
  EXPECT_EQ(plan.best_resolution, (PixelSize{336, 672}));
  EXPECT_EQ(plan.num_rows, 576 + 24 * 25);
}

}  // namespace
}  // namespace isthmus::layout
