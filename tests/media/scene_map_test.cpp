#include "media/scene_map.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <png.h>

#include "damage.h"
#include "error_message.h"
#include "formats/npy.h"
#include "isthmus/error.h"
#include "media/exr_writer.h"
#include "media/test_npy.h"

namespace isthmus::media {
namespace {

namespace fs = std::filesystem;
using testing_support::exr_of;

const fs::path kInputs = fs::path(ISTHMUS_FIXTURES) / "onellm/preproc/inputs";
constexpr int kWidth = 5, kHeight = 3;

SceneMap decode(const std::vector<char>& bytes, SceneMapKind kind) {
  return decode_scene_map(std::as_bytes(std::span(bytes)), "map", kind);
}

template <typename T>
fs::path npy_file(const std::string& name, DType dtype, const Shape& shape,
                  const std::vector<T>& values) {
  const fs::path path = fs::path(::testing::TempDir()) / name;
  formats::write_npy(path, dtype, shape, std::as_bytes(std::span(values)));
  return path;
}

std::vector<float> ramp(size_t count, float first = 0.5f) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = first + 0.25f * static_cast<float>(i);
  return values;
}

TEST(SceneMap, EightBitPicturesStayPictures) {
  for (const char* file : {"depth.png", "normal.png"}) {
    const SceneMap map = load_scene_map(kInputs / file, SceneMapKind::kDepth);
    ASSERT_TRUE(map.picture) << file;
    EXPECT_EQ(map.picture->pixels, load_image(kInputs / file).pixels) << file;
  }
}

TEST(SceneMap, SixteenBitGreyIsMeasured) {
  const std::vector<uint16_t> values = {0, 1, 255, 256, 65535, 1000};
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = 3;
  header.height = 2;
  header.format = PNG_FORMAT_LINEAR_Y;
  const fs::path path = fs::path(::testing::TempDir()) / "grey16.png";
  ASSERT_NE(png_image_write_to_file(&header, path.c_str(), 0, values.data(), 0, nullptr), 0);
  const SceneMap map = load_scene_map(path, SceneMapKind::kDepth);
  ASSERT_FALSE(map.picture);
  EXPECT_TRUE(map.measured.whole_numbers);
  EXPECT_EQ(map.measured.width, 3);
  EXPECT_EQ(map.measured.values, (std::vector<float>{0, 1, 255, 256, 65535, 1000}));
  EXPECT_EQ(message_of([&] { load_scene_map(path, SceneMapKind::kNormals); }),
            path.string() + ": a picture of 16-bit grey; a normal map has three channels");
}

TEST(SceneMap, ArraysAreReadInEveryLayout) {
  const auto depth = ramp(15);
  for (const Shape& shape : {Shape{3, 5}, Shape{1, 3, 5}, Shape{3, 5, 1}}) {
    const SceneMap map =
        load_scene_map(npy_file("d.npy", DType::kF32, shape, depth), SceneMapKind::kDepth);
    EXPECT_EQ(map.measured.width, 5);
    EXPECT_EQ(map.measured.height, 3);
    EXPECT_EQ(map.measured.values, depth);
    EXPECT_FALSE(map.measured.whole_numbers);
  }
  const SceneMap millimetres =
      load_scene_map(npy_file("u16.npy", DType::kU16, {1, 2}, std::vector<uint16_t>{7, 65535}),
                     SceneMapKind::kDepth);
  EXPECT_TRUE(millimetres.measured.whole_numbers);
  EXPECT_EQ(millimetres.measured.values, (std::vector<float>{7, 65535}));

  const std::vector<float> planes = {1, 2, 3, 4, 5, 6};  // [3, 1, 2]
  const SceneMap turned =
      load_scene_map(npy_file("n.npy", DType::kF32, {3, 1, 2}, planes), SceneMapKind::kNormals);
  EXPECT_EQ(turned.measured.values, (std::vector<float>{1, 3, 5, 2, 4, 6}));
  const SceneMap picture = load_scene_map(
      npy_file("p.npy", DType::kU8, {1, 2}, std::vector<uint8_t>{9, 200}), SceneMapKind::kDepth);
  ASSERT_TRUE(picture.picture);
  EXPECT_EQ(picture.picture->pixels, (std::vector<uint8_t>{9, 9, 9, 200, 200, 200}));
}

TEST(SceneMap, ArraysOfOtherShapesAreRefused) {
  const auto path = npy_file("x.npy", DType::kF32, {15}, ramp(15));
  EXPECT_EQ(message_of([&] { load_scene_map(path, SceneMapKind::kDepth); }),
            path.string() + ": its shape is [15]; expected [height, width] of a depth map");
  EXPECT_THROW(
      load_scene_map(npy_file("x.npy", DType::kF32, {2, 5, 3}, ramp(30)), SceneMapKind::kDepth),
      InputError);
  EXPECT_THROW(
      load_scene_map(npy_file("x.npy", DType::kF32, {5, 3}, ramp(15)), SceneMapKind::kNormals),
      InputError);
  EXPECT_THROW(
      load_scene_map(npy_file("x.npy", DType::kF32, {0, 3}, ramp(0)), SceneMapKind::kDepth),
      InputError);
}

TEST(SceneMap, ExrOfEveryCompressionGivesItsFloats) {
  auto depth = ramp(kWidth * kHeight);
  depth[3] = std::numeric_limits<float>::infinity();
  for (const auto compression : {Imf::NO_COMPRESSION, Imf::RLE_COMPRESSION, Imf::ZIPS_COMPRESSION,
                                 Imf::ZIP_COMPRESSION, Imf::PIZ_COMPRESSION}) {
    const SceneMap map =
        decode(exr_of(kWidth, kHeight, {{"Z", depth}, {"A", ramp(15, 9)}}, compression),
               SceneMapKind::kDepth);
    ASSERT_FALSE(map.picture);
    EXPECT_EQ(map.measured.width, kWidth);
    EXPECT_EQ(map.measured.height, kHeight);
    EXPECT_EQ(map.measured.values, depth);
  }
}

TEST(SceneMap, ExrChannelsAreChosenByName) {
  const auto a = ramp(15, 1), b = ramp(15, 2), c = ramp(15, 3);
  const auto depth_of = [&](const std::map<std::string, std::vector<float>>& planes) {
    return decode(exr_of(kWidth, kHeight, planes), SceneMapKind::kDepth).measured.values;
  };
  EXPECT_EQ(depth_of({{"disparity", a}}), a);
  EXPECT_EQ(depth_of({{"R", a}, {"G", b}, {"B", c}}), a);
  EXPECT_EQ(depth_of({{"R", a}, {"depth.V", b}}), b);
  for (const char* prefix : {"", "N."}) {
    const std::string p = prefix;
    const SceneMap map = decode(exr_of(kWidth, kHeight, {{p + "X", a}, {p + "Y", b}, {p + "Z", c}}),
                                SceneMapKind::kNormals);
    EXPECT_EQ(map.measured.channels, 3);
    for (size_t i = 0; i < 15; ++i) {
      EXPECT_EQ(map.measured.values[3 * i], a[i]);
      EXPECT_EQ(map.measured.values[3 * i + 2], c[i]);
    }
  }
  EXPECT_EQ(message_of([&] {
              decode(exr_of(kWidth, kHeight, {{"u", a}, {"v", b}}), SceneMapKind::kNormals);
            }),
            "map: its channels are u v; expected X Y Z or R G B of a normal map");
}

TEST(SceneMap, TruncatedAndMutatedFilesAreReadOrRefused) {
  const auto try_reading = [](const std::vector<char>& bytes) {
    for (const SceneMapKind kind : {SceneMapKind::kDepth, SceneMapKind::kNormals}) {
      try {
        const SceneMap map = decode_scene_map(std::as_bytes(std::span(bytes)), "mutated", kind,
                                              {.max_pixels = 1 << 16});
        if (!map.picture) {
          ASSERT_EQ(static_cast<int64_t>(map.measured.values.size()),
                    map.measured.width * map.measured.height * map.measured.channels);
        }
      } catch (const Error&) {
      }
    }
  };
  const auto path = npy_file("m.npy", DType::kF32, {3, 5}, ramp(15));
  for (const std::vector<char>& whole :
       {exr_of(kWidth, kHeight, {{"Z", ramp(15)}}),
        exr_of(kWidth, kHeight, {{"X", ramp(15)}, {"Y", ramp(15)}, {"Z", ramp(15)}},
               Imf::PIZ_COMPRESSION),
        testing_support::read_file(path)})
    for_each_damage(whole, {.cuts = SIZE_MAX, .rounds = 500}, try_reading);
}

}  // namespace
}  // namespace isthmus::media
