#include "media/audio.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
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

const fs::path kData = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/audio_data";

struct Sound {
  int64_t sample_rate = 0;
  std::vector<std::vector<float>> channels;
  size_t length() const { return channels.front().size(); }
};

Sound read_all(AudioReader reader) {
  Sound sound{reader.sample_rate(), {}};
  sound.channels.resize(static_cast<size_t>(reader.channels()));
  AudioBlock block;
  while (reader.next(block)) {
    EXPECT_EQ(block.channels, reader.channels());
    EXPECT_GE(block.frames, 1);
    for (size_t c = 0; c < sound.channels.size(); ++c) {
      const auto samples = block.channel(static_cast<int64_t>(c));
      sound.channels[c].insert(sound.channels[c].end(), samples.begin(), samples.end());
    }
  }
  EXPECT_FALSE(reader.next(block));
  return sound;
}

Sound read(const std::string& file, const TimeRange& range = {}) {
  return read_all(AudioReader(kData / file, range));
}

Sound read(const std::vector<char>& bytes, const TimeRange& range = {}) {
  return read_all(AudioReader(std::as_bytes(std::span(bytes)), "x.wav", range));
}

std::vector<std::vector<float>> source() {
  const auto npy = testing_support::read_npy_floats(kData / "source.npy");
  const auto middle = npy.values.begin() + npy.shape[1];
  return {{npy.values.begin(), middle}, {middle, npy.values.end()}};
}

std::vector<std::string> sound_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(kData))
    if (entry.path().extension() != ".npy") files.push_back(entry.path().filename().string());
  std::sort(files.begin(), files.end());
  return files;
}

// A wav file of one channel of 16-bit samples that announces `announced` bytes of them.
std::vector<char> wav(int rate, const std::vector<int16_t>& samples, int64_t announced = -1) {
  const auto bytes =
      static_cast<uint32_t>(announced < 0 ? samples.size() * 2 : static_cast<size_t>(announced));
  std::vector<char> file;
  const auto text = [&](std::string_view t) { file.insert(file.end(), t.begin(), t.end()); };
  const auto number = [&](uint32_t value, int width) {
    for (int i = 0; i < width; ++i) file.push_back(static_cast<char>(value >> 8 * i));
  };
  text("RIFF"), number(36 + bytes, 4), text("WAVEfmt "), number(16, 4), number(1, 2), number(1, 2);
  number(static_cast<uint32_t>(rate), 4), number(static_cast<uint32_t>(2 * rate), 4);
  number(2, 2), number(16, 2), text("data"), number(bytes, 4);
  for (const int16_t sample : samples) number(static_cast<uint16_t>(sample), 2);
  return file;
}

double correlation(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    ab += x * y, aa += x * x, bb += y * y;
  }
  return ab / std::sqrt(aa * bb);
}

TEST(AudioReader, LosslessFilesGiveTheSourceToTheBit) {
  size_t checked = 0;
  for (const std::string& file : sound_files()) {
    if (!file.starts_with("lossless")) continue;
    const Sound sound = read(file);
    EXPECT_EQ(sound.sample_rate, 8000) << file;
    EXPECT_TRUE(sound.channels == source()) << file;
    ++checked;
  }
  EXPECT_EQ(checked, 9u);
}

TEST(AudioReader, EightBitsAreTheHighBytes) {
  auto expected = source();
  for (auto& channel : expected)
    for (float& sample : channel) sample = std::floor(sample * 128) / 128;
  EXPECT_TRUE(read("u8.wav").channels == expected);
}

TEST(AudioReader, LossyFilesGiveAlmostTheSource) {
  const auto expected = source();
  for (const char* file : {"lossy.mp3", "lossy.ogg", "lossy_with_video.mp4"}) {
    const Sound sound = read(file);
    EXPECT_EQ(sound.sample_rate, 8000) << file;
    ASSERT_EQ(sound.channels.size(), 2u) << file;
    EXPECT_NEAR(static_cast<double>(sound.length()), 2400, 8000 * 0.1) << file;
    for (size_t c = 0; c < 2; ++c)
      EXPECT_GT(correlation(sound.channels[c], expected[c]), 0.95) << file;
  }
  EXPECT_EQ(read("lossy.opus").sample_rate, 48000);
}

TEST(AudioReader, BytesAndFilesAreReadAlike) {
  EXPECT_EQ(read(read_file(kData / "lossy.mp3")).channels, read("lossy.mp3").channels);
}

TEST(AudioReader, ARangeIsThatPartOfTheWhole) {
  for (const char* file :
       {"long.wav", "long.flac", "long.mp3", "long.ogg", "long.opus", "long.m4a"}) {
    const Sound whole = read(file);
    for (const TimeRange& range :
         {TimeRange{0, 0.5}, TimeRange{0.25, 0.26}, TimeRange{2.1, 2.5}, TimeRange{2.9}}) {
      const Sound part = read(file, range);
      const auto rate = static_cast<double>(whole.sample_rate);
      const auto begin = static_cast<size_t>(std::round(range.start * rate));
      const auto end = std::isinf(range.end) ? whole.length()
                                             : static_cast<size_t>(std::round(range.end * rate));
      ASSERT_EQ(part.length(), end - begin) << file << " from " << range.start;
      float largest = 0;
      for (size_t i = 0; i < part.length(); ++i)
        largest = std::max(largest, std::abs(part.channels[0][i] - whole.channels[0][begin + i]));
      // Opus and AAC shape their noise by chance; the others are exact.
      EXPECT_LE(largest, 1e-3f) << file << " from " << range.start;
    }
  }
}

TEST(AudioReader, RangesThatAreNoneAreUsageErrors) {
  for (const TimeRange& range : {TimeRange{-1, 2}, TimeRange{2, 2}, TimeRange{3, 2},
                                 TimeRange{std::nan(""), 2}, TimeRange{0, std::nan("")}})
    EXPECT_THROW(read("long.wav", range), UsageError);
  EXPECT_EQ(message_of([] {
              read(wav(8000, std::vector<int16_t>(4000)), {0.7, 2});
            }),
            "x.wav: its sound ends after 0.50 seconds, before the range starts at 0.70");
  EXPECT_THROW(read("long.mp3", {100, 200}), InputError);
}

// Two hours of 16-bit mono, as holes on the disk.
TEST(AudioReader, TheEndOfALongFileIsReadAtOnce) {
  const fs::path file = fs::path(::testing::TempDir()) / "two_hours.wav";
  const int64_t count = int64_t{7200} * 44100;
  const auto header = wav(44100, {}, 2 * count);
  std::ofstream(file, std::ios::binary)
      .write(header.data(), static_cast<std::streamsize>(header.size()));
  fs::resize_file(file, header.size() + static_cast<size_t>(2 * count));
  const Sound end = read_all(AudioReader(file, {7199, 7300}));
  EXPECT_EQ(end.length(), 44100u);
  fs::remove(file);
}

TEST(AudioReader, WhatIsNoSoundIsNamed) {
  EXPECT_EQ(message_of([] { read(std::vector<char>{}); }),
            "x.wav: the file is empty; expected sound");
  const std::string none = message_of([] { read("video_only.mp4"); });
  EXPECT_NE(none.find("no sound in this file; it holds video (mpeg4)"), std::string::npos) << none;
  const fs::path picture = fs::path(ISTHMUS_SOURCE_DIR) / "tests/media/data/rgb8.png";
  const std::string png = message_of([&] { AudioReader reader(picture); });
  EXPECT_NE(png.find("no sound in this file; it holds video (png)"), std::string::npos) << png;
  EXPECT_THROW(read("no_such_file.wav"), InputError);
  EXPECT_THROW(AudioReader(fs::path(::testing::TempDir())), InputError);
  EXPECT_THROW(AudioReader("/dev/zero"), InputError);
  EXPECT_EQ(message_of([] { read(wav(8000, {})); }), "x.wav: holds no sound: not one sample");
  EXPECT_NE(message_of([] {
              read(wav(10, {1, 2, 3}));
            }).find("10 samples per second"),
            std::string::npos);
}

TEST(AudioReader, NoOtherFileIsOpened) {
  const fs::path list = fs::path(::testing::TempDir()) / "list.m3u8";
  std::ofstream(list) << "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n"
                      << (kData / "long.wav").string() << "\n#EXT-X-ENDLIST\n";
  EXPECT_THROW(read_all(AudioReader(list)), InputError);
  const fs::path concat = fs::path(::testing::TempDir()) / "list.ffconcat";
  std::ofstream(concat) << "ffconcat version 1.0\nfile " << (kData / "long.wav").string() << "\n";
  EXPECT_THROW(read_all(AudioReader(concat)), InputError);
}

TEST(AudioReader, AFileCutShortSaysSo) {
  EXPECT_EQ(message_of([] { read(wav(8000, std::vector<int16_t>(8000), 80000)); }),
            "x.wav: truncated: it announces 5.00 seconds of sound and ends after 1.00");
  auto bytes = read_file(kData / "long.m4a");
  bytes.resize(bytes.size() / 2);
  EXPECT_THROW(read(bytes), InputError);
}

TEST(AudioReader, NumbersThatAreNoneAreRefused) {
  auto bytes = read_file(kData / "lossless_f32.wav");
  const uint32_t nan = 0x7fc00000;
  std::memcpy(bytes.data() + 44 + 8 * 5, &nan, 4);  // of frame 5, channel 0
  EXPECT_EQ(message_of([&] { read(bytes); }), "x.wav: sample 5 is nan; expected a finite number");
}

TEST(AudioReader, TruncatedAndMutatedFilesAreReadOrRefused) {
  const auto try_reading = [](const std::vector<char>& bytes) {
    try {
      AudioReader reader(std::as_bytes(std::span(bytes)), "mutated");
      AudioBlock block;
      for (int blocks = 0; blocks < 1000 && reader.next(block); ++blocks)
        ASSERT_EQ(static_cast<int64_t>(block.samples.size()), block.channels * block.frames);
    } catch (const Error&) {
    }
  };
  for (const std::string& file : sound_files())
    for_each_damage(read_file(kData / file), {.head = 128}, try_reading);
}

}  // namespace
}  // namespace isthmus::media
