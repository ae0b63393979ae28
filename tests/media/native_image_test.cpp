#include "media/native_image.h"

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_view.h"
#include "media/decode_image.h"
#include "media/test_npy.h"

namespace isthmus::media {
namespace {

namespace fs = std::filesystem;
using testing_support::read_npy_bytes;

const fs::path kNativePictures = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/data";

// The RGB bytes of every file are compared by decode_image_test.
TEST(NativeImage, EveryFileHasPillowsModeAndSamples) {
  size_t with_samples = 0;
  for (const auto& [file, entry] : JsonView::load(kNativePictures / "modes.json").members()) {
    const NativeImage image = load_native_image(kNativePictures / file);
    EXPECT_EQ(name_of(image.mode), entry.string("mode")) << file;
    EXPECT_EQ(image.samples.channels, channels_of(image.mode)) << file;
    const fs::path samples = (kNativePictures / file).string() + ".native.npy";
    if (!fs::exists(samples)) continue;
    const auto expected = read_npy_bytes(samples);
    EXPECT_EQ((Shape{image.height(), image.width(), image.samples.channels}), expected.shape)
        << file;
    EXPECT_TRUE(image.samples.pixels == expected.values) << file;
    ++with_samples;
  }
  EXPECT_EQ(with_samples, 13u);
}

TEST(NativeImage, IndicesNeedNoColourOfTheirOwn) {
  NativeImage image = blank_image(PixelMode::kPalette, 2, 1);
  image.palette.colours[3] = {1, 2, 3};
  image.samples.pixels = {3, 200};
  EXPECT_EQ(to_rgb(image).pixels, (std::vector<uint8_t>{1, 2, 3, 0, 0, 0}));
}

}  // namespace
}  // namespace isthmus::media
