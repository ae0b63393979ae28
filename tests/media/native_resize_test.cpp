#include "media/native_resize.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "media/decode_image.h"
#include "media/test_npy.h"

namespace isthmus::media {
namespace {

namespace fs = std::filesystem;
using testing_support::read_npy_bytes;

const fs::path kResized = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/data";

NativeImage source_of(PixelMode mode) {
  const auto npy =
      read_npy_bytes(kResized / fmt::format("resize_native_{}_source.npy", name_of(mode)));
  NativeImage image{mode, {npy.shape[1], npy.shape[0], npy.shape[2], npy.values}, {}};
  image.palette.colours[1] = {4, 5, 6};
  return image;
}

class NativeResize : public ::testing::TestWithParam<PixelMode> {};

TEST_P(NativeResize, GivesPillowsBytes) {
  const NativeImage source = source_of(GetParam());
  const auto expected =
      read_npy_bytes(kResized / fmt::format("resize_native_{}.npy", name_of(GetParam())));
  auto next = expected.values.begin();
  for (const auto& [width, height] : {std::pair{7, 5}, {38, 26}, {19, 8}, {30, 13}, {19, 13}}) {
    const NativeImage resized =
        resize(source, width, height, Filter::kBicubic, {0, 0, width, height});
    EXPECT_EQ(resized.mode, source.mode);
    EXPECT_EQ(resized.palette.colours, source.palette.colours);
    EXPECT_EQ((Shape{resized.width(), resized.height()}), (Shape{width, height}));
    const std::vector<uint8_t>& pixels = resized.samples.pixels;
    ASSERT_LE(static_cast<std::ptrdiff_t>(pixels.size()), expected.values.end() - next);
    EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), next)) << width << "x" << height;
    next += static_cast<std::ptrdiff_t>(pixels.size());
  }
  EXPECT_TRUE(next == expected.values.end());
}

TEST_P(NativeResize, AWindowEqualsThatPartOfTheWhole) {
  const NativeImage source = source_of(GetParam());
  for (const auto& [width, height] : {std::pair{7, 5}, {38, 26}, {19, 8}, {30, 13}, {19, 13}}) {
    const Image whole =
        to_rgb(resize(source, width, height, Filter::kBicubic, {0, 0, width, height}));
    for (const Box& box : {Box{1, 2, 5, 3}, Box{width - 4, height - 5, 4, 5}})
      EXPECT_EQ(to_rgb(resize(source, width, height, Filter::kBicubic, box)).pixels,
                crop(whole, box).pixels)
          << width << "x" << height;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, NativeResize,
                         ::testing::Values(PixelMode::kBilevel, PixelMode::kGrey,
                                           PixelMode::kGreyAlpha, PixelMode::kPalette,
                                           PixelMode::kRgba, PixelMode::kCmyk),
                         [](const auto& info) {
                           return info.param == PixelMode::kBilevel
                                      ? std::string("bilevel")
                                      : std::string(name_of(info.param));
                         });

TEST(NativeResize, SixteenBitGreyKeepsItsSize) {
  const NativeImage image = load_native_image(kResized / "grey16.png");
  EXPECT_THROW(resize(image, 20, 20, Filter::kBicubic, {0, 0, 20, 20}), UnsupportedError);
  const Box box{3, 4, 5, 6};
  EXPECT_EQ(to_rgb(resize(image, image.width(), image.height(), Filter::kBicubic, box)).pixels,
            crop(to_rgb(image), box).pixels);
}

}  // namespace
}  // namespace isthmus::media
