#include "media/encode_png.h"

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "media/decode_image.h"
#include "media/scene_map.h"

namespace isthmus::media {
namespace {

TEST(EncodePng, DecodesToTheSamePixels) {
  for (const int64_t channels : {1, 3, 4}) {
    Image image{13, 7, channels, std::vector<uint8_t>(static_cast<size_t>(13 * 7 * channels))};
    for (size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = channels == 4 && i % 4 == 3 ? 255 : static_cast<uint8_t>(i * i * 37);
    const Image found = decode_image(encode_png(image), "test.png");
    ASSERT_EQ(found.width, 13);
    ASSERT_EQ(found.height, 7);
    for (int64_t i = 0; i < 13 * 7; ++i)
      for (int64_t c = 0; c < 3; ++c)
        ASSERT_EQ(found.pixels[static_cast<size_t>(i * found.channels + c)],
                  image.pixels[static_cast<size_t>(i * channels + (channels == 1 ? 0 : c))]);
  }
}

TEST(EncodePng, KeepsSixteenBits) {
  const std::vector<uint16_t> samples = {0, 1, 255, 256, 40000, 65535};
  const SceneMap map =
      decode_scene_map(encode_png(3, 2, samples), "depth.png", SceneMapKind::kDepth);
  ASSERT_EQ(map.measured.values.size(), samples.size());
  for (size_t i = 0; i < samples.size(); ++i) EXPECT_EQ(map.measured.values[i], samples[i]);
}

TEST(EncodePng, RefusesWhatIsNoPicture) {
  EXPECT_THROW(encode_png(Image{2, 2, 2, std::vector<uint8_t>(8)}), InternalError);
  EXPECT_THROW(encode_png(Image{2, 2, 3, std::vector<uint8_t>(8)}), InternalError);
  EXPECT_THROW(encode_png(0, 0, {}), InternalError);
}

}  // namespace
}  // namespace isthmus::media
