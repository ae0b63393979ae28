#include "media/video.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_view.h"
#include "damage.h"
#include "error_message.h"
#include "isthmus/error.h"
#include "media/test_npy.h"

namespace isthmus::media {
namespace {

namespace fs = std::filesystem;
using testing_support::read_file;

const fs::path kCase = fs::path(ISTHMUS_FIXTURES) / "onellm/preproc";
const fs::path kVideos = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/video_data";
const fs::path kSounds = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/audio_data";

// What the frame spells: see make_video_data.sh.
int64_t number_in(const Image& image) {
  int64_t number = 0;
  for (int64_t bit = 0; bit < 8; ++bit)
    if (image.row(40)[(bit * 8 + 4) * 3] > 150) number |= int64_t{1} << bit;
  return number;
}

std::vector<std::string> video_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(kVideos))
    files.push_back(entry.path().filename().string());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(VideoReader, FramesOfTheFixtureAreExact) {
  const JsonView expect = JsonView::load(kCase / "expect.json");
  for (const JsonView& item : expect.at("video").elements()) {
    const std::string file = item.string("file");
    VideoReader reader(kCase / file);
    EXPECT_EQ(reader.frames_per_second(), item.number("fps")) << file;
    EXPECT_EQ(reader.num_frames(), item.integer("frames")) << file;
    EXPECT_EQ(reader.duration(), item.number("duration")) << file;
    const auto frames = testing_support::read_npy_bytes(kCase / item.string("frames_file"));
    EXPECT_EQ(reader.height(), frames.shape.at(1)) << file;
    EXPECT_EQ(reader.width(), frames.shape.at(2)) << file;
    const uint8_t* expected = frames.values.data();
    for (const JsonView& index : item.at("selected_frame_index").elements()) {
      const Image frame = reader.frame(index.as_integer());
      size_t different = 0;
      for (const uint8_t sample : frame.pixels) different += sample != *expected++;
      EXPECT_EQ(different, 0u) << file << " frame " << index.as_integer();
    }
  }
}

TEST(VideoReader, AnyFrameOfAnyContainerIsFoundByItsNumber) {
  const std::vector<std::pair<std::string, int64_t>> files = {
      {"open_gop.mkv", 60}, {"closed_gop.mp4", 60}, {"broadcast.ts", 75}, {"vp8.webm", 30},
      {"mpeg4.avi", 30},    {"animated.gif", 20},   {"raw.h264", 20}};
  for (const auto& [file, count] : files) {
    VideoReader reader(kVideos / file);
    ASSERT_EQ(reader.num_frames(), count) << file;
    EXPECT_EQ(reader.width(), 64) << file;
    EXPECT_EQ(reader.height(), 48) << file;
    for (int64_t i = 0; i < count; ++i) EXPECT_EQ(number_in(reader.frame(i)), i) << file;
    for (int64_t i = 0; i < count; ++i) {  // to and fro
      const int64_t index = i * 37 % count;
      EXPECT_EQ(number_in(reader.frame(index)), index) << file;
    }
    EXPECT_EQ(number_in(reader.frame(count - 1)), count - 1) << file;
    EXPECT_EQ(number_in(VideoReader(kVideos / file).frame(count / 2)), count / 2) << file;
  }
}

TEST(VideoReader, BytesAndFilesAreReadAlike) {
  const auto bytes = read_file(kVideos / "open_gop.mkv");
  VideoReader from_bytes(std::as_bytes(std::span(bytes)), "x");
  EXPECT_EQ(from_bytes.frame(33).pixels, VideoReader(kVideos / "open_gop.mkv").frame(33).pixels);
}

TEST(VideoReader, ARangeHoldsTheFramesThatStartInIt) {
  for (const char* file : {"open_gop.mkv", "closed_gop.mp4", "raw.h264"}) {
    VideoReader reader(kVideos / file, {0.55, 1.5});
    EXPECT_NEAR(static_cast<double>(reader.num_frames()), 0.95 * reader.frames_per_second(), 1)
        << file;
    const auto first = static_cast<int64_t>(std::ceil(0.55 * reader.frames_per_second()));
    EXPECT_EQ(number_in(reader.frame(0)), first) << file;
    EXPECT_EQ(number_in(reader.frame(reader.num_frames() - 1)), first + reader.num_frames() - 1)
        << file;
  }
  const auto open = [](TimeRange range) {
    return message_of([&] { VideoReader reader(kVideos / "closed_gop.mp4", range); });
  };
  EXPECT_NE(open({7, 9}).find("it ends after 6.00 seconds, before the range starts at 7.00"),
            std::string::npos)
      << open({7, 9});
  EXPECT_NE(open({1.01, 1.05}).find("no frame starts between 1.01 and 1.05 seconds"),
            std::string::npos);
  EXPECT_THROW(VideoReader(kVideos / "closed_gop.mp4", {2, 1}), UsageError);
}

TEST(VideoReader, FramesAreTurnedAsTheFileAsks) {
  const Image plain = VideoReader(kVideos / "closed_gop.mp4").frame(5);
  for (const int degrees : {90, 180, 270}) {
    VideoReader reader(kVideos / ("turned_" + std::to_string(degrees) + ".mp4"));
    const bool upright = degrees == 180;
    EXPECT_EQ(reader.width(), upright ? 64 : 48);
    EXPECT_EQ(reader.height(), upright ? 48 : 64);
    const Image frame = reader.frame(5);
    ASSERT_EQ(frame.width, reader.width());
    ASSERT_EQ(frame.height, reader.height());
    // The first row of the plain frame, from its left, is then where `at` says.
    size_t different = 0;
    for (int64_t i = 0; i < 64; ++i) {
      const uint8_t* at = upright          ? frame.row(47) + (63 - i) * 3
                          : degrees == 270 ? frame.row(i) + 47 * 3  // clockwise by a quarter
                                           : frame.row(63 - i);
      different += !std::equal(at, at + 3, plain.row(0) + i * 3);
    }
    EXPECT_EQ(different, 0u) << degrees;
  }
}

TEST(VideoReader, WhatIsNoVideoIsNamed) {
  const auto open = [](const fs::path& file) {
    return message_of([&] { VideoReader reader(file); });
  };
  const auto expect_message = [&](const fs::path& file, const std::string& wanted) {
    const std::string message = open(file);
    EXPECT_TRUE(message.starts_with(file.string() + ": ")) << message;
    EXPECT_NE(message.find(wanted), std::string::npos) << message;
  };
  expect_message(kSounds / "long.wav", "no video in this file; it holds sound (pcm_");
  expect_message(kSounds / "lossy.mp3", "no video in this file; it holds sound (mp3");
  expect_message(kCase / "inputs/image_0.png", "a picture (png), not a video");
  expect_message(kCase / "inputs/image_1.jpg", "a picture (mjpeg), not a video");
  expect_message(kVideos / "none.mp4", "no such file");
  const fs::path folder = ::testing::TempDir();
  std::ofstream(folder / "empty.mp4").close();
  expect_message(folder / "empty.mp4", "the file is empty; expected video");
  std::ofstream(folder / "words.txt") << "words, nothing but words, and more of them\n";
  EXPECT_THROW(VideoReader(folder / "words.txt"), InputError);
  EXPECT_THROW(VideoReader{folder}, InputError);
}

TEST(VideoReader, AFileCutShortSaysSo) {
  auto bytes = read_file(kVideos / "closed_gop.mp4");  // its index comes first
  bytes.resize(bytes.size() * 3 / 4);
  EXPECT_NE(message_of([&] {
              VideoReader(std::as_bytes(std::span(bytes)), "x");
            }).find("x: truncated: it announces 6.00 seconds and ends after "),
            std::string::npos);
  bytes = read_file(kVideos / "open_gop.mkv");
  bytes.resize(bytes.size() * 2 / 3);
  EXPECT_NE(
      message_of([&] { VideoReader(std::as_bytes(std::span(bytes)), "x"); }).find("x: truncated"),
      std::string::npos);
  bytes = read_file(kCase / "inputs/v0.mp4");  // its index comes last
  bytes.resize(bytes.size() / 2);
  EXPECT_NE(message_of([&] {
              VideoReader(std::as_bytes(std::span(bytes)), "x");
            }).find("broken at its beginning"),
            std::string::npos);
}

TEST(VideoReader, TooManyFramesAreRefused) {
  EXPECT_THROW(VideoReader(kVideos / "closed_gop.mp4", {}, {.max_frames = 59}), InputError);
  EXPECT_EQ(VideoReader(kVideos / "closed_gop.mp4", {}, {.max_frames = 60}).num_frames(), 60);
}

TEST(VideoReader, TruncatedAndMutatedFilesAreReadOrRefused) {
  const auto try_reading = [](const std::vector<char>& bytes) {
    try {
      VideoReader reader(std::as_bytes(std::span(bytes)), "mutated", {}, {.max_frames = 10000});
      if (reader.width() * reader.height() > 1 << 20) return;
      for (const int64_t index : {int64_t{0}, reader.num_frames() / 2, reader.num_frames() - 1}) {
        const Image frame = reader.frame(index);
        ASSERT_EQ(static_cast<int64_t>(frame.pixels.size()), frame.width * frame.height * 3);
        ASSERT_EQ(frame.width, reader.width());
      }
    } catch (const Error&) {
    }
  };
  for (const std::string& file : video_files())
    for_each_damage(read_file(kVideos / file), {.head = 256}, try_reading);
}

}  // namespace
}  // namespace isthmus::media
