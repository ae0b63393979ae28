#include "media/decode_image.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "damage.h"
#include "error_message.h"
#include "isthmus/error.h"
#include "media/test_npy.h"

namespace isthmus::media {
namespace {

namespace fs = std::filesystem;
using testing_support::read_file;
using testing_support::read_npy_bytes;

const fs::path kPictures = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/data";

std::vector<fs::path> encoded_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kPictures))
    if (const auto kind = entry.path().extension();
        kind != ".npy" && kind != ".md" && kind != ".json")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// Writes go below TempDir() only; most cases need no file at all.
Image decode(const std::vector<char>& bytes, const std::string& source = "x.png",
             const ImageLimits& limits = {}) {
  return decode_image(std::as_bytes(std::span(bytes)), source, limits);
}

std::vector<char> bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

class DecodesAsPillow : public ::testing::TestWithParam<fs::path> {};

TEST_P(DecodesAsPillow, EveryByte) {
  const Image image = load_image(GetParam());
  const auto expected = read_npy_bytes(GetParam().string() + ".npy");
  ASSERT_EQ((Shape{image.height, image.width, image.channels}), expected.shape);
  ASSERT_EQ(image.pixels.size(), expected.values.size());
  size_t different = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i)
    different += image.pixels[i] != expected.values[i];
  EXPECT_EQ(different, 0u) << "of " << image.pixels.size() << " bytes";
}

INSTANTIATE_TEST_SUITE_P(Files, DecodesAsPillow, ::testing::ValuesIn(encoded_files()),
                         [](const auto& info) {
                           std::string name = info.param.filename().string();
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !std::isalnum(c); },
                               '_');
                           return name;
                         });

TEST(DecodeImage, TextIsNamedForWhatItIs) {
  EXPECT_EQ(message_of([] { decode(bytes_of("Dear reader, this is a letter"), "x.png"); }),
            "x.png: not an image this build reads (JPEG, PNG, WebP, GIF, BMP); begins with \"Dear "
            "reader, thi\"");
  EXPECT_EQ(message_of([] { decode(bytes_of(std::string_view("II*\0\x08", 5)), "x.tif"); }),
            "x.tif: not an image this build reads (JPEG, PNG, WebP, GIF, BMP); begins with 49 49 "
            "2a 00 08");
  EXPECT_EQ(message_of([] { decode({}, "x.png"); }),
            "x.png: the file is empty; expected a picture (JPEG, PNG, WebP, GIF, BMP)");
}

TEST(DecodeImage, WhatIsNoFileIsAnInputError) {
  EXPECT_THROW(load_image("no/such/picture.png"), InputError);
  EXPECT_THROW(load_image(::testing::TempDir()), InputError);
  EXPECT_THROW(load_image("/dev/zero"), InputError);
  EXPECT_THROW(load_image(kPictures / "plain.gif", {.max_file_bytes = 20}), InputError);
}

// Writes `value` in `bytes` bytes, big-endian unless `little`.
void put(std::vector<char>& file, size_t at, uint32_t value, size_t bytes, bool little) {
  for (size_t i = 0; i < bytes; ++i)
    file[at + i] = static_cast<char>(value >> 8 * (little ? i : bytes - 1 - i));
}

size_t jpeg_size_at(const std::vector<char>& file) {
  const std::string_view text(file.data(), file.size());
  return text.find(std::string_view("\xff\xc0\x00\x11\x08", 5)) + 5;
}

TEST(DecodeImage, HugeHeadersAreRefusedBeforeAnythingIsAllocated) {
  struct Case {
    const char* file;
    size_t width_at, height_at, bytes;
    bool little;
  };
  for (const Case& c : {Case{"rgb8.png", 16, 20, 4, false}, Case{"rgb24.bmp", 18, 22, 4, true},
                        Case{"plain.gif", 6, 8, 2, true}, Case{"rgb444.jpg", 0, 0, 2, false}}) {
    auto bytes = read_file(kPictures / c.file);
    const size_t jpeg = std::string(c.file).ends_with("jpg") ? jpeg_size_at(bytes) : 0;
    const size_t width_at = jpeg ? jpeg + 2 : c.width_at, height_at = jpeg ? jpeg : c.height_at;
    put(bytes, width_at, 20000, c.bytes, c.little);
    put(bytes, height_at, 20000, c.bytes, c.little);
    EXPECT_EQ(message_of([&] { decode(bytes, "big"); }),
              "big: picture is 20000x20000 = 400000000 pixels; the limit is 178956970. Scale it "
              "down first")
        << c.file;
    put(bytes, width_at, 0, c.bytes, c.little);
    put(bytes, height_at, 0, c.bytes, c.little);
    if (std::string(c.file).ends_with("gif")) continue;  // its canvas grows to the first frame
    const std::string none = message_of([&] { decode(bytes, "none"); });
    EXPECT_EQ(none, jpeg ? "none: broken JPEG file: Empty JPEG image (DNL not supported)"
                         : "none: picture is 0x0 pixels; both sides must be at least 1")
        << c.file;
  }
  auto bytes = read_file(kPictures / "rgb8.png");
  put(bytes, 16, 2'000'000, 4, false);
  put(bytes, 20, 1, 4, false);
  EXPECT_NE(message_of([&] { decode(bytes); }).find("the limit is 1000000 per side"),
            std::string::npos);
  EXPECT_THROW(decode(read_file(kPictures / "lossy.webp"), "x", {.max_pixels = 100}), InputError);
}

TEST(DecodeImage, AnEightBitBitmapOfTwoColoursKeepsItsPixels) {
  auto bytes = read_file(kPictures / "palette8_short.bmp");  // 13x9, its table starts at byte 54
  put(bytes, 46, 2, 4, true);                                // two colours
  put(bytes, 10, 62, 4, true);                               // pixels start after them
  put(bytes, 54, 0x00000000, 4, true);
  put(bytes, 58, 0x00ffffff, 4, true);
  for (size_t i = 62; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 2);
  const Image image = decode(bytes);
  EXPECT_EQ(std::vector<uint8_t>(image.row(8), image.row(8) + 9),
            (std::vector<uint8_t>{0, 0, 0, 255, 255, 255, 0, 0, 0}));
}

TEST(DecodeImage, ATruncatedPngThatPromisesMuchIsRefusedCheaply) {
  auto bytes = read_file(kPictures / "rgba16_interlaced.png");
  put(bytes, 16, 13000, 4, false);
  put(bytes, 20, 13000, 4, false);
  EXPECT_THROW(decode(bytes), InputError);
}

TEST(DecodeImage, EveryTruncationIsAnErrorOrThePicture) {
  for (const fs::path& path : encoded_files()) {
    const auto whole = read_file(path);
    const Image full = decode(whole);
    size_t errors = 0;
    const size_t step = std::max<size_t>(1, whole.size() / 200);
    for (size_t size = 0; size < whole.size(); size += step) {
      const std::vector<char> part(whole.begin(),
                                   whole.begin() + static_cast<std::ptrdiff_t>(size));
      try {
        // What is lost may have been an end marker only; then nothing may differ.
        EXPECT_EQ(decode(part).pixels, full.pixels) << path << " cut to " << size;
      } catch (const Error&) {
        ++errors;
      }
    }
    EXPECT_GT(errors, 10u) << path;
  }
}

TEST(DecodeImage, MutatedFilesAreDecodedOrRefused) {
  const ImageLimits limits{.max_pixels = 1'000'000, .max_side = 100'000};  // keeps the test short
  for (const fs::path& path : encoded_files())
    for_each_damage(
        read_file(path), {.cuts = 0, .rounds = 120, .head = 64},
        [&](const std::vector<char>& bytes) {
          try {
            const Image image = decode(bytes, "mutated", limits);
            ASSERT_EQ(static_cast<int64_t>(image.pixels.size()), image.width * image.height * 3)
                << path;
          } catch (const Error&) {
          }
        });
}

}  // namespace
}  // namespace isthmus::media
