#include "media/resize.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "media/test_npy.h"

namespace isthmus::media {
namespace {

using testing_support::read_npy_bytes;

Image image_of(const std::string& file) {
  const auto npy = read_npy_bytes(std::string(ISTHMUS_SOURCE_DIR) + "/tests/media/data/" + file);
  return {npy.shape[1], npy.shape[0], 3, npy.values};
}

TEST(Resize, EveryFilterGivesPillowsBytes) {
  const Image source = image_of("resize_source.npy");
  const std::pair<const char*, Filter> filters[] = {{"bicubic", Filter::kBicubic},
                                                    {"bilinear", Filter::kBilinear},
                                                    {"nearest", Filter::kNearest}};
  const std::pair<int, int> sizes[] = {{17, 9}, {50, 36}, {43, 12}, {20, 31},
                                       {1, 1},  {13, 64}, {64, 13}};
  for (const auto& [name, filter] : filters) {
    for (const auto& [width, height] : sizes) {
      const Image expected = image_of(fmt::format("resize_{}_{}x{}.npy", name, width, height));
      const Image resized = resize(source, width, height, filter);
      EXPECT_EQ(resized.width, width);
      EXPECT_EQ(resized.height, height);
      EXPECT_TRUE(resized.pixels == expected.pixels) << name << " " << width << "x" << height;
    }
  }
}

TEST(Resize, SameSizeIsACopy) {
  const Image source = image_of("resize_source.npy");
  EXPECT_EQ(resize(source, source.width, source.height, Filter::kBicubic).pixels, source.pixels);
}

TEST(Resize, AWindowOfACanvasEqualsTheCroppedWhole) {
  const Image source = image_of("resize_source.npy");
  const Rgb colour{122, 116, 104};
  for (const Canvas& canvas :
       {square_canvas(source, colour), Canvas{source, 50, 60, 7, 0, colour},
        Canvas{source, 43, 40, 0, 9, colour}, Canvas{source, 47, 31, 1, 0, colour}}) {
    const Image whole = paste(canvas);
    for (const auto& [width, height] :
         {std::pair{20, 25}, {canvas.width, 13}, {90, canvas.height}, {70, 80}}) {
      const Image resized = resize(whole, width, height, Filter::kBicubic);
      for (const Box& box :
           {Box{0, 0, width, height}, Box{3, 5, 9, 7}, Box{width - 4, height - 6, 4, 6}})
        EXPECT_EQ(resize(canvas, width, height, Filter::kBicubic, box).pixels,
                  crop(resized, box).pixels);
    }
  }
}

TEST(Resize, OnePixelGrowsToOneColour) {
  const Image pixel{1, 1, 3, {9, 200, 77}};
  EXPECT_EQ(resize(pixel, 33, 20, Filter::kBicubic).pixels,
            filled_image(33, 20, {9, 200, 77}).pixels);
}

TEST(Transform, OddMarginsOfASquareGoToTheEnd) {
  const Image image{2, 3, 3, std::vector<uint8_t>(18, 7)};
  const Image square = pad_to_square(image, {1, 2, 3});
  EXPECT_EQ(square.width, 3);
  EXPECT_EQ(square.row(0)[0], 7);
  EXPECT_EQ(square.row(0)[6], 1);
  EXPECT_EQ(square.row(2)[8], 3);
}

TEST(Transform, CentreCropPutsTheLargerMarginFirst) {
  const Image image{2, 4, 3, std::vector<uint8_t>(24, 7)};
  const Image cut = centre_crop(image, 5, 3);  // too narrow: columns 0, 1 and 4 are black
  const std::vector<uint8_t> row{0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 0, 0, 0};
  EXPECT_EQ(std::vector<uint8_t>(cut.row(0), cut.row(1)), row);
  EXPECT_EQ(centre_box(10, 10, 3, 4).left, 3);
  EXPECT_EQ(centre_box(10, 10, 3, 4).top, 3);
}

}  // namespace
}  // namespace isthmus::media
