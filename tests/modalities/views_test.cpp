// What was prepared for an encoder, as people see it.
#include "modalities/views.h"

#include <gtest/gtest.h>

#include "modalities/clip_image.h"
#include "modalities/open_clip_image.h"

namespace isthmus::modalities {
namespace {

media::Image stripes(int64_t width, int64_t height) {
  media::Image image = media::filled_image(width, height, {0, 0, 0});
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 7);
  return image;
}

TEST(Views, PicturesAreTheTilesBeforeTheyWereNormalised) {
  const JsonView json = JsonView::parse(R"({"size": 8, "crop_size": 8})", "config");
  const ClipImageConfig config = ClipImageConfig::parse(json);
  const media::Image image = stripes(12, 8);
  for (const AspectMode mode : {AspectMode::kSquare, AspectMode::kPad}) {
    const auto tiles = cut_clip_tiles(image, config, mode).tiles;
    const auto seen = pictures_of(prepare_clip_image(image, config, mode));
    ASSERT_EQ(seen.size(), tiles.size());
    EXPECT_EQ(seen[0].pixels, tiles[0].pixels);
  }
  ClipImageConfig bare = config;
  bare.do_rescale = false;
  EXPECT_EQ(pictures_of(prepare_clip_image(image, bare, AspectMode::kSquare))[0].pixels,
            cut_clip_tiles(image, bare, AspectMode::kSquare).tiles[0].pixels);
  bare.do_normalize = false;
  EXPECT_EQ(pictures_of(prepare_clip_image(image, bare, AspectMode::kSquare))[0].pixels,
            cut_clip_tiles(image, bare, AspectMode::kSquare).tiles[0].pixels);
}

TEST(Views, SoundIsASpectrumWithLowNotesBelow) {
  Prepared sound;
  sound.modality = Modality::kAudio;
  sound.shape = {1, 2, 3};
  sound.values = {0, 1, 2, /* the higher bin */ 4, 4, 4};
  const auto seen = pictures_of(sound);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].width, 3);
  EXPECT_EQ(seen[0].height, 2);
  EXPECT_EQ(seen[0].row(0)[0], 255);
  EXPECT_EQ(seen[0].row(1)[0], 0);
  EXPECT_EQ(seen[0].row(1)[3 * 2], 128);
  EXPECT_TRUE(curves_of(sound).empty());
}

TEST(Views, OfPointsTheNearestIsSeen) {
  Prepared points;
  points.modality = Modality::kPointCloud;
  points.shape = {2, 6};
  points.values = {0, 0, 1, 0, 1, 0, /* behind it */ 0, 0, -1, 1, 0, 0};
  const auto seen = pictures_of(points);
  ASSERT_EQ(seen.size(), 1u);
  const media::Image& image = seen[0];
  int64_t green = 0, red = 0;
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    red += image.pixels[i] > 0 ? 1 : 0;
    green += image.pixels[i + 1] > 0 ? 1 : 0;
  }
  EXPECT_EQ(green, 1);
  EXPECT_EQ(red, 0);
}

TEST(Views, MotionIsCurvesAndNoPicture) {
  Prepared motion;
  motion.modality = Modality::kImu;
  motion.shape = {2, 3};
  motion.values = {1, 2, 3, 4, 5, 6};
  EXPECT_TRUE(pictures_of(motion).empty());
  const auto curves = curves_of(motion);
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[1], (std::vector<float>{4, 5, 6}));
}

}  // namespace
}  // namespace isthmus::modalities
