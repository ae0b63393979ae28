// Pictures as characters of a terminal.
#include "cli/half_blocks.h"

#include <gtest/gtest.h>

namespace isthmus::cli {
namespace {

TEST(HalfBlocks, ACharacterIsTwoPixelsAboveEachOther) {
  media::Image image = media::filled_image(2, 2, {255, 0, 0});
  for (int64_t x = 0; x < 2; ++x) image.row(1)[3 * x + 2] = 255;
  const auto lines = half_blocks(std::span(&image, 1), 2);
  ASSERT_EQ(lines.size(), 1u);
  const std::string one = "\x1b[38;2;255;0;0;48;2;255;0;255m\u2580";
  EXPECT_EQ(lines[0], one + one + "\x1b[0m");
}

TEST(HalfBlocks, PicturesOfDifferentHeightsStandSideBySide) {
  const std::vector<media::Image> pictures = {media::filled_image(10, 40, {1, 2, 3}),
                                              media::filled_image(10, 10, {4, 5, 6})};
  const auto lines = half_blocks(pictures, 4);
  ASSERT_EQ(lines.size(), 8u);  // 4 wide, 16 high
  EXPECT_NE(lines[0].find("38;2;4;5;6"), std::string::npos);
  EXPECT_EQ(lines[2].find("38;2;4;5;6"), std::string::npos);
  EXPECT_TRUE(lines[2].ends_with("\x1b[0m     \x1b[0m")) << lines[2];
}

TEST(HalfBlocks, AFileIsNoTerminal) { EXPECT_FALSE(shows_true_colour(-1)); }

}  // namespace
}  // namespace isthmus::cli
