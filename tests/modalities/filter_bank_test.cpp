#include "modalities/filter_bank.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "modalities/sound_goldens.h"

namespace isthmus::modalities {
namespace {

using testing_support::golden;
using testing_support::Golden;
using testing_support::kCase;
using testing_support::random_samples;

TEST(FilterBank, WeightsAreTheReferences) {
  const Golden expected = golden(JsonView::load(kCase / "expect.json"), "audio.mel_banks");
  const FilterBank bank;
  EXPECT_EQ(bank.fft_size(), 512);
  for (int64_t bin = 0; bin < 128; ++bin) {
    for (int64_t k = 0; k < 256; ++k) {
      const auto i = static_cast<size_t>(bin * 256 + k);
      EXPECT_NEAR(bank.weight(bin, k), expected.npy.values[i], expected.allowed(i))
          << bin << " " << k;
    }
  }
}

// Against the formula of the header, with a plain sum for the transform.
TEST(FilterBank, EqualsTheFormula) {
  const auto samples = random_samples(400 + 2 * 160 + 159, 3);  // three frames and a rest
  const FilterBank bank;
  const auto rows = bank.energies(samples);
  ASSERT_EQ(rows.size(), 3u * 128);
  for (size_t frame = 0; frame < 3; ++frame) {
    const float* x = samples.data() + frame * 160;
    double mean = 0;
    for (size_t i = 0; i < 400; ++i) mean += static_cast<double>(x[i]) / 400;
    std::vector<double> power(256);
    for (size_t k = 0; k < 256; ++k) {
      double real = 0, imaginary = 0;
      for (size_t i = 0; i < 400; ++i) {
        const double now = static_cast<double>(x[i]) - mean;
        const double before = static_cast<double>(x[i == 0 ? 0 : i - 1]) - mean;
        const double y =
            (now - 0.97 * before) * (0.5 - 0.5 * std::cos(2 * M_PI * static_cast<double>(i) / 399));
        const double angle = -2 * M_PI * static_cast<double>(k * i % 512) / 512;
        real += y * std::cos(angle);
        imaginary += y * std::sin(angle);
      }
      power[k] = real * real + imaginary * imaginary;
    }
    for (int64_t bin = 0; bin < 128; ++bin) {
      double energy = 0;
      for (int64_t k = 0; k < 256; ++k)
        energy += bank.weight(bin, k) * power[static_cast<size_t>(k)];
      EXPECT_NEAR(rows[frame * 128 + static_cast<size_t>(bin)],
                  std::log(std::max(energy, 1.1920929e-07)),
                  1e-4);  // the frame is rounded to float32
    }
  }
}

TEST(FilterBank, SilenceIsTheFloorAndShortSoundHasNoFrame) {
  const FilterBank bank;
  for (const float energy : bank.energies(std::vector<float>(1000, 0.5f)))
    EXPECT_FLOAT_EQ(energy, std::log(1.1920929e-07f));
  EXPECT_EQ(bank.num_frames(399), 0);
  EXPECT_TRUE(bank.energies(std::vector<float>(399)).empty());
}

}  // namespace
}  // namespace isthmus::modalities
