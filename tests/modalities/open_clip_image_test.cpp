#include "modalities/open_clip_image.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json_view.h"
#include "isthmus/error.h"
#include "media/decode_image.h"
#include "media/test_npy.h"

namespace isthmus::modalities {
namespace {

namespace fs = std::filesystem;
using media::NativeImage;
using media::PixelMode;
using testing_support::read_npy_bytes;
using testing_support::read_npy_floats;

const fs::path kOpenClipCases = fs::path(ISTHMUS_FIXTURES) / "openflamingo";
const fs::path kMediaData = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/data";

// As the files store them: [3, height, width].
std::vector<uint8_t> planes(const media::Image& image) {
  std::vector<uint8_t> out;
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = c; i < image.pixels.size(); i += 3) out.push_back(image.pixels[i]);
  return out;
}

size_t differences(const std::vector<uint8_t>& found, const uint8_t* expected) {
  size_t different = 0;
  for (size_t i = 0; i < found.size(); ++i) different += found[i] != expected[i];
  return different;
}

// The fixture allows JPEG pixels to differ by 2. Decoding here equals Pillow's, so nothing may.
TEST(OpenClipPreprocess, EveryPictureOfTheFixtureIsExact) {
  const fs::path folder = kOpenClipCases / "preprocess_224";
  const JsonView expect = JsonView::load(folder / "expect.json");
  const OpenClipImageConfig config{expect.integer("size")};
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(config.mean[c], expect.at("mean").elements()[c].as_number());
    EXPECT_EQ(config.std[c], expect.at("std").elements()[c].as_number());
  }
  for (const JsonView& item : expect.at("items").elements()) {
    const std::string file = item.string("image");
    const NativeImage image = media::load_native_image(folder / file);
    EXPECT_EQ(name_of(image.mode), item.string("mode")) << file;
    const auto expected = read_npy_bytes(folder / item.string("u8"));
    EXPECT_EQ(expected.shape, (Shape{3, config.image_size, config.image_size})) << file;
    EXPECT_EQ(differences(planes(cut_open_clip_image(image, config).image), expected.values.data()),
              0u)
        << file;
    const Prepared prepared = prepare_open_clip_image(image, config);
    EXPECT_EQ(prepared.shape, (Shape{1, 3, config.image_size, config.image_size}));
    double sum = 0;
    for (const float value : prepared.values) sum += value;
    EXPECT_NEAR(sum, item.number("checksum_sum"), 1e-6 * std::abs(sum)) << file;
    const auto pixel = [&](size_t channel, int64_t y, int64_t x) {
      const auto plane = static_cast<size_t>(config.image_size * config.image_size);
      return prepared.values[channel * plane + static_cast<size_t>(y * config.image_size + x)];
    };
    for (size_t c = 0; c < 3; ++c) {
      EXPECT_EQ(pixel(c, 0, 0), item.at("norm_first_pixel").elements()[c].as_number()) << file;
      EXPECT_EQ(pixel(c, config.image_size / 2, config.image_size / 2),
                item.at("norm_center_pixel").elements()[c].as_number())
          << file;
    }
  }
}

TEST(OpenClipPreprocess, FloatsOfTheFixtureAreExact) {
  const fs::path folder = kOpenClipCases / "preprocess_224";
  const auto expected = read_npy_floats(folder / "expect/normalized_00.npy");
  const Prepared prepared = prepare_open_clip_image(
      media::load_native_image(folder / "inputs/00_RGB_301x257.png"), {224});
  std::vector<float> found;
  for (size_t c = 0; c < 3; ++c)
    for (size_t y = 0; y < 224; y += 8)
      for (size_t x = 0; x < 224; x += 8) found.push_back(prepared.values[(c * 224 + y) * 224 + x]);
  EXPECT_TRUE(found == expected.values);
}

float largest_difference(const std::vector<float>& found, const float* expected) {
  float largest = 0;
  for (size_t i = 0; i < found.size(); ++i)
    largest = std::max(largest, std::abs(found[i] - expected[i]));
  return largest;
}

// pixel_values are [requests, most pictures of one, 1, 3, S, S]; zeros where a request has fewer.
// One JPEG was decoded by another libjpeg, a level off at some pixels: the cases allow for that.
TEST(OpenClipPixelValues, OfEveryModelFixtureAgree) {
  for (const char* name : {"mpt1b_mosaic_every1", "neox_rpj_every2", "neox_pythia_parallel",
                           "mpt7b_every1", "opt_every2"}) {
    const fs::path folder = kOpenClipCases / name;
    const JsonView expect = JsonView::load(folder / "expect.json");
    const OpenClipImageConfig config{expect.at("vision").integer("image")};
    const JsonView tensor = expect.at("tensors").elements().front();
    ASSERT_EQ(tensor.string("name"), "pixel_values");
    const auto expected = read_npy_floats(folder / tensor.string("file"));
    const std::vector<JsonView> requests = expect.at("images").elements();
    const int64_t slots = expected.shape.at(1), size = config.image_size;
    EXPECT_EQ(expected.shape,
              (Shape{static_cast<int64_t>(requests.size()), slots, 1, 3, size, size}));
    const float* next = expected.values.data();
    for (const JsonView& request : requests) {
      std::vector<float> none(static_cast<size_t>(3 * size * size));
      const std::vector<JsonView> files = request.elements();
      for (size_t i = 0; i < static_cast<size_t>(slots); ++i, next += none.size()) {
        const std::string file = i < files.size() ? files[i].as_string() : "";
        const std::vector<float> found =
            file.empty()
                ? none
                : prepare_open_clip_image(media::load_native_image(folder / file), config).values;
        ASSERT_EQ(found.size(), none.size());
        const double tolerance = file.ends_with(".jpg") ? tensor.number("atol") : 0;
        EXPECT_LE(largest_difference(found, next), tolerance) << name << "/" << file;
      }
    }
  }
}

// Modes and formats that the fixture lacks, as Pillow 10.4 gives them.
TEST(OpenClipImage, EveryFileThatMediaDecodesGivesPillowsBytes) {
  for (const int64_t size : {6, 17}) {
    const OpenClipImageConfig config{size};
    const auto expected = read_npy_bytes(kMediaData / fmt::format("open_clip_{}.npy", size));
    const uint8_t* next = expected.values.data();
    for (const auto& [file, entry] : JsonView::load(kMediaData / "modes.json").members()) {
      const NativeImage image = media::load_native_image(kMediaData / file);
      if (image.mode == PixelMode::kGrey16) {
        EXPECT_FALSE(entry.boolean("resizes")) << file;
        EXPECT_THROW(cut_open_clip_image(image, config), UnsupportedError) << file;
      }
      if (!entry.boolean("resizes")) continue;
      const auto found = planes(cut_open_clip_image(image, config).image);
      ASSERT_LE(next + found.size(), expected.values.data() + expected.values.size()) << file;
      EXPECT_EQ(differences(found, next), 0u) << file << " at size " << size;
      next += found.size();
    }
    EXPECT_EQ(next, expected.values.data() + expected.values.size());
  }
}

TEST(OpenClipImage, ConvertedFirstIsTheRgbPicture) {
  for (const char* file : {"palette8.png", "rgba8.png", "grey16.png", "cmyk.jpg"}) {
    const NativeImage image = media::load_native_image(kMediaData / file);
    const NativeImage rgb{PixelMode::kRgb, media::load_image(kMediaData / file), {}};
    EXPECT_EQ(
        cut_open_clip_image(image, {.image_size = 8, .convert_to_rgb_first = true}).image.pixels,
        cut_open_clip_image(rgb, {8}).image.pixels)
        << file;
  }
}

TEST(OpenClipImage, HalfPixelsOfTheCropGoToTheEvenSide) {
  NativeImage image = media::blank_image(PixelMode::kGrey, 7, 4);  // margins 1.5: column 2
  for (uint8_t x = 0; x < 28; ++x) image.samples.pixels[x] = x % 7;
  const OpenClipCrop odd = cut_open_clip_image(image, {4});
  EXPECT_EQ(odd.image.pixels[0], 2);
  EXPECT_EQ(odd.geometry.left, -2);
  image = media::blank_image(PixelMode::kGrey, 9, 4);  // 2.5: column 2
  for (uint8_t x = 0; x < 36; ++x) image.samples.pixels[x] = x % 9;
  EXPECT_EQ(cut_open_clip_image(image, {4}).image.pixels[0], 2);
}

TEST(OpenClipImage, GeometryLeadsBackToThePicture) {
  const NativeImage image = media::blank_image(PixelMode::kRgb, 224, 112);
  const Geometry geometry = prepare_open_clip_image(image, {56}).geometry;  // 112x56
  const SourceBox box = geometry.source_of_patch(0, 1, 0, 14);
  EXPECT_NEAR(box.left, 56, 1e-9);
  EXPECT_NEAR(box.top, 28, 1e-9);
  EXPECT_NEAR(box.right, 84, 1e-9);
  EXPECT_NEAR(box.bottom, 56, 1e-9);
}

TEST(OpenClipImage, ElongatedPicturesCostWhatTheCropCostsOrAreRefused) {
  for (const PixelMode mode : {PixelMode::kGrey, PixelMode::kPalette}) {
    const NativeImage image = media::blank_image(mode, 1, 1'000'000);  // 224 x 224 million
    EXPECT_EQ(prepare_open_clip_image(image, {224}).shape, (Shape{1, 3, 224, 224}));
    try {
      prepare_open_clip_image(image, {4096});
      ADD_FAILURE() << "a side of four billion pixels";
    } catch (const InputError& error) {
      EXPECT_STREQ(error.what(),
                   "a picture of 1x1000000 pixels is 4096000000 pixels long when its shorter side "
                   "is resized to 4096; the limit is 2147483647. Crop it first");
    }
  }
}

// OneLLM's pictures: the middle when evaluating, a recorded box when training.
TEST(OpenClipImage, PicturesAndBoxesOfOneLlmAgree) {
  const fs::path folder = fs::path(ISTHMUS_FIXTURES) / "onellm/preproc";
  const JsonView expect = JsonView::load(folder / "expect.json");
  const auto compare = [&](const std::string& name, const Prepared& prepared) {
    for (const JsonView& tensor : expect.at("tensors").elements()) {
      if (tensor.string("name") != name) continue;
      const auto expected = read_npy_floats(folder / tensor.string("file"));
      const auto stride = static_cast<size_t>(tensor.integer("stride"));
      size_t i = 0, outside = 0;
      for (size_t c = 0; c < 3; ++c)
        for (size_t y = 0; y < 224; y += stride)
          for (size_t x = 0; x < 224; x += stride, ++i)
            outside += std::abs(prepared.values[(c * 224 + y) * 224 + x] - expected.values.at(i)) >
                       tensor.number("atol");
      EXPECT_EQ(i, expected.values.size()) << name;
      EXPECT_EQ(outside, 0u) << name << " of " << i;
    }
  };
  for (const JsonView& item : expect.at("image").elements()) {
    const fs::path file = folder / item.string("file");
    const NativeImage image = media::load_native_image(file);
    OpenClipImageConfig config{.image_size = 224, .convert_to_rgb_first = true};
    compare(file.stem().string() + ".eval224", prepare_open_clip_image(image, config));
    const auto box = item.at("crop_top_left_height_width").elements();
    config.crop = media::Box{box[1].as_integer(), box[0].as_integer(), box[3].as_integer(),
                             box[2].as_integer()};
    compare(file.stem().string() + ".train224", prepare_open_clip_image(image, config));
  }
}

TEST(OpenClipImage, ABoxLeadsBackToThePictureAndMustBeInsideIt) {
  const NativeImage image = media::blank_image(PixelMode::kRgb, 100, 80);
  OpenClipImageConfig config{.image_size = 50, .crop = media::Box{40, 20, 25, 60}};
  const SourceBox box = prepare_open_clip_image(image, config).geometry.source_of(0, 0, 0, 50, 25);
  EXPECT_NEAR(box.left, 40, 1e-9);
  EXPECT_NEAR(box.right, 65, 1e-9);
  EXPECT_NEAR(box.top, 20, 1e-9);
  EXPECT_NEAR(box.bottom, 50, 1e-9);
  for (const media::Box& outside : {media::Box{-1, 0, 5, 5}, media::Box{96, 0, 5, 5},
                                    media::Box{0, 0, 0, 5}, media::Box{0, 76, 5, 5}}) {
    config.crop = outside;
    EXPECT_THROW(prepare_open_clip_image(image, config), UsageError);
  }
}

}  // namespace
}  // namespace isthmus::modalities
