#include "media/picture_size.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "media/decode_image.h"

namespace isthmus::media {
namespace {

std::vector<std::byte> bytes_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

TEST(PictureSize, IsThatOfTheDecodedPicture) {
  const std::set<std::string> formats{".jpg", ".png", ".webp", ".gif", ".bmp"};
  std::set<std::string> seen;
  const std::filesystem::path folder =
      std::filesystem::path(ISTHMUS_SOURCE_DIR) / "tests/media/data";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string format = entry.path().extension().string();
    if (!formats.contains(format)) continue;
    const auto bytes = bytes_of(entry.path());
    NativeImage decoded;
    try {
      decoded = decode_native_image(bytes, entry.path().string());
    } catch (const Error&) {
      continue;
    }
    const auto size = picture_size(bytes);
    ASSERT_TRUE(size.has_value()) << entry.path();
    // Frames that reach beyond the screen of a GIF make it larger.
    if (entry.path().stem() != "beyond_screen") {
      EXPECT_EQ(size->width, decoded.width()) << entry.path();
      EXPECT_EQ(size->height, decoded.height()) << entry.path();
    }
    seen.insert(format);
    // Cut short anywhere, it is told or it is not.
    for (size_t length = 0; length < std::min<size_t>(bytes.size(), 64); ++length)
      picture_size(std::span(bytes).first(length));
  }
  EXPECT_EQ(seen, formats);
}

TEST(PictureSize, OfOtherBytesIsNotKnown) {
  EXPECT_FALSE(picture_size({}).has_value());
  const std::vector<std::byte> zeros(100);
  EXPECT_FALSE(picture_size(zeros).has_value());
}

}  // namespace
}  // namespace isthmus::media
