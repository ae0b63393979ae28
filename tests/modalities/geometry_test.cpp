#include "modalities/geometry.h"

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "modalities/clip_image.h"

namespace isthmus::modalities {
namespace {

Geometry geometry_for(int64_t width, int64_t height, AspectMode mode) {
  const auto config =
      ClipImageConfig::parse(JsonView::parse(R"({"crop_size": 56, "size": 56})", "p.json"));
  return cut_clip_tiles(media::filled_image(width, height, {0, 0, 0}), config, mode,
                        {{112, 56}, {56, 112}})
      .geometry;
}

void expect_box(const SourceBox& box, double left, double top, double right, double bottom) {
  EXPECT_NEAR(box.left, left, 1e-9);
  EXPECT_NEAR(box.top, top, 1e-9);
  EXPECT_NEAR(box.right, right, 1e-9);
  EXPECT_NEAR(box.bottom, bottom, 1e-9);
}

TEST(Geometry, ACentreCropShowsTheMiddle) {
  const Geometry geometry =
      geometry_for(224, 112, AspectMode::kSquare);  // 112x56, columns 28 to 84 kept
  expect_box(geometry.source_of(0, 0, 0, 56, 56), 56, 0, 168, 112);
  expect_box(geometry.source_of_patch(0, 1, 0, 14), 56, 28, 84, 56);
}

TEST(Geometry, PaddingLiesOutsideThePicture) {
  const Geometry geometry = geometry_for(224, 112, AspectMode::kPad);  // rows 14 to 42 of the tile
  expect_box(geometry.source_of(0, 0, 0, 56, 56), 0, 0, 224, 112);
  EXPECT_TRUE(geometry.source_of_patch(0, 0, 0, 14).empty());
  expect_box(geometry.source_of_patch(0, 1, 3, 14), 168, 0, 224, 56);
}

TEST(Geometry, TilesShareThePicture) {
  const Geometry geometry =
      geometry_for(200, 100, AspectMode::kAnyres);  // 112x56: two tiles, no padding
  EXPECT_EQ(geometry.num_tiles(), 3);
  expect_box(geometry.source_of(0, 0, 0, 56, 56), 0, 0, 200, 100);  // the whole picture, squashed
  expect_box(geometry.source_of(1, 0, 0, 56, 56), 0, 0, 100, 100);
  expect_box(geometry.source_of(2, 0, 28, 56, 56), 100, 50, 200, 100);
  EXPECT_THROW(geometry.source_of(3, 0, 0, 1, 1), InternalError);
}

}  // namespace
}  // namespace isthmus::modalities
