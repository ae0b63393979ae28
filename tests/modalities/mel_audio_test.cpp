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
