#include "modalities/sinc_resampler.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "media/audio.h"
#include "modalities/sound_goldens.h"

namespace isthmus::modalities {
namespace {

using testing_support::golden;
using testing_support::Golden;
using testing_support::kCase;
using testing_support::random_samples;

std::vector<float> resample(int64_t from, int64_t to, const std::vector<float>& samples,
                            size_t piece) {
  SincResampler resampler(from, to);
  std::vector<float> out;
  for (size_t at = 0; at < samples.size(); at += piece)
    resampler.push(std::span(samples).subspan(at, std::min(piece, samples.size() - at)), out);
  resampler.finish(out);
  return out;
}

TEST(SincResampler, WavesOfTheFixtureAgree) {
  const JsonView expect = JsonView::load(kCase / "expect.json");
  for (const char* stem : {"b_22k", "c_8k_short"}) {
    media::AudioReader reader(kCase / "inputs" / (std::string(stem) + ".wav"));
    SincResampler resampler(reader.sample_rate(), 16000);
    std::vector<float> found;
    media::AudioBlock block;
    while (reader.next(block)) resampler.push(block.channel(0), found);
    resampler.finish(found);
    for (const JsonView& item : expect.at("audio").elements()) {
      if (item.string("file").find(stem) == std::string::npos) continue;
      EXPECT_EQ(static_cast<int64_t>(found.size()), item.integer("samples_16k")) << stem;
    }
    const Golden wave = golden(expect, "audio." + std::string(stem) + ".wave16k");
    ASSERT_GE(found.size(), wave.npy.values.size());
    for (size_t i = 0; i < wave.npy.values.size(); ++i)
      ASSERT_NEAR(found[i], wave.npy.values[i], wave.allowed(i)) << stem << " " << i;
  }
}

TEST(SincResampler, PiecesOfAnySizeGiveTheSame) {
  const auto samples = random_samples(3001, 5);
  for (const auto& [from, to] : {std::pair{44100, 16000},
                                 {8000, 16000},
                                 {48000, 16000},
                                 {11025, 16000},
                                 {16000, 16000},
                                 {16001, 16000},
                                 {200, 7}}) {
    const auto whole = resample(from, to, samples, samples.size());
    EXPECT_EQ(static_cast<int64_t>(whole.size()), (3001 * int64_t{to} + from - 1) / from);
    for (const size_t piece : {1, 7, 100, 1024})
      EXPECT_EQ(resample(from, to, samples, piece), whole) << from << " " << to << " " << piece;
  }
}

TEST(SincResampler, ASlowWaveStaysItself) {
  std::vector<float> samples;
  for (int i = 0; i < 4410; ++i)
    samples.push_back(static_cast<float>(std::sin(2 * M_PI * 300 * i / 44100)));
  const auto found = resample(44100, 16000, samples, 500);
  for (size_t j = 100; j + 100 < found.size(); ++j)
    EXPECT_NEAR(found[j], std::sin(2 * M_PI * 300 * static_cast<double>(j) / 16000), 2e-3);
}

}  // namespace
}  // namespace isthmus::modalities
