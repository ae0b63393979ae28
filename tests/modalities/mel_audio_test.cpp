#include "modalities/mel_audio.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "modalities/sound_goldens.h"

namespace isthmus::modalities {
namespace {

namespace fs = std::filesystem;
using testing_support::golden;
using testing_support::Golden;
using testing_support::kCase;

TEST(MelAudio, EveryFileOfTheFixtureAgrees) {
  const JsonView expect = JsonView::load(kCase / "expect.json");
  for (const JsonView& item : expect.at("audio").elements()) {
    const fs::path file = kCase / item.string("file");
    media::AudioReader reader(file);
    EXPECT_EQ(reader.sample_rate(), item.integer("sample_rate"));
    EXPECT_EQ(reader.channels(), item.integer("channels"));
    const Prepared prepared = prepare_mel_audio(reader);
    EXPECT_EQ(prepared.shape, (Shape{1, 128, 1024}));
    const std::string name = "audio." + file.stem().string() + ".fbank";
    const Golden rows = golden(expect, name);
    const int64_t frames = rows.npy.shape[0];
    EXPECT_EQ(frames, item.integer("frames_kept"));
    double worst = 0;
    size_t outside = 0;
    for (int64_t frame = 0; frame < 1024; ++frame) {
      for (int64_t bin = 0; bin < 128; ++bin) {
        const auto found =
            static_cast<double>(prepared.values[static_cast<size_t>(bin * 1024 + frame)]);
        if (frame >= frames) {
          EXPECT_NEAR(found, item.number("pad_value"), 1e-7);
          continue;
        }
        const auto i = static_cast<size_t>(frame * 128 + bin);
        const double difference = std::abs(found - static_cast<double>(rows.npy.values[i]));
        worst = std::max(worst, difference);
        outside += difference > rows.allowed(i);
      }
    }
    EXPECT_EQ(outside, 0u) << name << ": max |Δ| " << worst;
    RecordProperty(name, std::to_string(worst));
  }
}

// 16-bit samples at 16 kHz.
std::vector<uint8_t> wav_of(const std::vector<int16_t>& samples, uint8_t channels) {
  std::vector<uint8_t> wav{'R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'A', 'V', 'E', 'f', 'm', 't', ' ',
                           16,  0,   0,   0,   1, 0};
  const auto put = [&](size_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) wav.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  put(channels, 2);
  put(16000, 4);
  put(size_t{32000} * channels, 4);
  put(size_t{2} * channels, 2);
  put(16, 2);
  wav.insert(wav.end(), {'d', 'a', 't', 'a'});
  put(2 * samples.size(), 4);
  for (const int16_t sample : samples) put(static_cast<uint16_t>(sample), 2);
  for (size_t i = 0; i < 4; ++i) wav[4 + i] = static_cast<uint8_t>((wav.size() - 8) >> (8 * i));
  return wav;
}

TEST(MelAudio, TheFirstChannelAndTheFirstFramesCount) {
  const auto file = testing_support::read_file(kCase / "inputs/a_16k.wav");
  media::AudioReader mono(std::as_bytes(std::span(file)), "a_16k.wav");
  const Prepared expected = prepare_mel_audio(mono);
  std::vector<int16_t> stereo;  // 11.6 s
  for (size_t round = 0; round < 4; ++round)
    for (size_t i = 44; i + 1 < file.size(); i += 2) {
      stereo.push_back(static_cast<int16_t>(static_cast<uint8_t>(file[i]) | file[i + 1] << 8));
      stereo.push_back(static_cast<int16_t>(7919 * i % 65536));
    }
  const auto wav = wav_of(stereo, 2);
  media::AudioReader reader(std::as_bytes(std::span(wav)), "stereo.wav");
  EXPECT_EQ(reader.channels(), 2);
  const Prepared found = prepare_mel_audio(reader);
  ASSERT_EQ(found.shape, (Shape{1, 128, 1024}));
  // A round is 290 frames long, of which the last two look beyond it.
  for (size_t i = 0; i < found.values.size(); ++i) {
    const size_t frame = i % 1024;
    if (frame % 290 < 288)
      ASSERT_EQ(found.values[i], expected.values[i - frame + frame % 290]) << i;
    else
      ASSERT_NE(found.values[i], expected.values[i / 1024 * 1024 + 1023]) << i;
  }
}

TEST(MelAudio, SoundShorterThanAFrameIsRefused) {
  // 399 samples of 16-bit silence at 16 kHz.
  std::vector<uint8_t> wav{'R', 'I', 'F',  'F',  0x42, 3,   0,   0,    'W', 'A', 'V',
                           'E', 'f', 'm',  't',  ' ',  16,  0,   0,    0,   1,   0,
                           1,   0,   0x80, 0x3e, 0,    0,   0,   0x7d, 0,   0,   2,
                           0,   16,  0,    'd',  'a',  't', 'a', 0x1e, 3,   0,   0};
  wav.resize(wav.size() + 798);
  media::AudioReader reader(std::as_bytes(std::span(wav)), "short.wav");
  try {
    prepare_mel_audio(reader);
    ADD_FAILURE() << "no error";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "short.wav: 24.9 ms of sound; at least 25.0 ms are needed");
  }
}

}  // namespace
}  // namespace isthmus::modalities
