#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "formats/npy.h"
#include "isthmus/error.h"
#include "modalities/fmri.h"
#include "modalities/imu.h"
#include "modalities/sound_goldens.h"

namespace isthmus::modalities {
namespace {

using testing_support::golden;
using testing_support::kCase;
using testing_support::read_npy_floats;

const std::filesystem::path kTinySignals = std::filesystem::path(ISTHMUS_FIXTURES) / "onellm/tiny";

template <typename E>
std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

TEST(Imu, EqualsTheGoldenWindows) {
  const JsonView expect = JsonView::load(kCase / "expect.json");
  for (const JsonView& row : expect.at("imu").elements()) {
    const std::string uid = row.string("uid");
    const std::vector<JsonView> bounds = row.at("window").elements();
    const ImuWindow window{bounds[0].as_number(), bounds[1].as_number()};
    const media::ImuRecording recording = media::load_imu(kCase / "inputs" / (uid + ".npy"));
    if (!row.contains("result")) {
      EXPECT_THROW(prepare_imu(recording, window), InputError) << uid;
      continue;
    }
    const media::NumberArray expected(kCase / "expect" / ("imu." + uid + ".npy"));
    const Prepared found = prepare_imu(recording, window);
    ASSERT_EQ(found.shape, (Shape{6, 400})) << uid;
    for (int64_t c = 0; c < 6; ++c)
      for (int64_t i = 0; i < 400; ++i) {
        const double value = expected.at(c, i);
        ASSERT_NEAR(found.values[static_cast<size_t>(c * 400 + i)], value,
                    2e-5 + 2e-5 * std::abs(value))  // as expect.json says
            << uid << " channel " << c << " sample " << i;
      }
  }
}

TEST(Imu, OfTheTinyModelEqualsItsGolden) {
  const auto expected = read_npy_floats(kTinySignals / "expect/imu.input.npy").values;
  const Prepared found =
      prepare_imu(media::load_imu(kTinySignals / "inputs/imu_a.npy"), {1.5, 3.5});
  ASSERT_EQ(found.values.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found.values[i], expected[i], 2e-5 + 1e-5 * std::abs(expected[i])) << i;
  EXPECT_EQ(found.modality, Modality::kImu);
}

// `count` samples from `start` milliseconds on, every channel counting.
media::ImuRecording recording_of(size_t count, double start, double step) {
  media::ImuRecording recording;
  recording.source = "walk.csv";
  for (size_t i = 0; i < count; ++i) {
    recording.milliseconds.push_back(start + step * static_cast<double>(i));
    for (auto& channel : recording.channels) channel.push_back(static_cast<float>(i));
  }
  return recording;
}

TEST(Imu, StartsWithTheFirstSampleByDefault) {
  const media::ImuRecording recording = recording_of(1000, 7000, 5);
  const ImuWindow window = default_imu_window(recording);
  EXPECT_EQ(window.start, 7);
  EXPECT_EQ(window.end, 9);
  const Prepared found = prepare_imu(recording, window);
  EXPECT_EQ(found.values[399], 399);
  EXPECT_TRUE(found.notes.empty());
}

TEST(Imu, SaysWhatItChanged) {
  const Prepared slower = prepare_imu(recording_of(400, 0, 10), {0, 2});
  EXPECT_EQ(slower.notes, (std::vector<std::string>{"resampled from 100 to 200 samples a second"}));
  media::ImuRecording recording = recording_of(400, 500, 5);
  recording.notes = {"timestamps taken as seconds"};
  const Prepared padded = prepare_imu(recording, {0, 2});
  EXPECT_EQ(padded.notes, (std::vector<std::string>{"timestamps taken as seconds",
                                                    "300 of 400 samples, then zeros"}));
  EXPECT_EQ(padded.values[300], 0);
}

TEST(Imu, WindowsThatTheRecordingDoesNotHoldAreErrors) {
  const auto error = [](const media::ImuRecording& recording, const ImuWindow& window) {
    return error_of<InputError>([&] { prepare_imu(recording, window); });
  };
  EXPECT_EQ(error(recording_of(100, 0, 5), {0, 2}),
            "walk.csv: window 0 to 2 s: the recording ends at 0.495 s");
  EXPECT_EQ(error(recording_of(1000, 9000, 5), {0, 2}),
            "walk.csv: window 0 to 2 s: the next sample lies at 9 s, more than 4 s away");
  EXPECT_EQ(error(recording_of(100, 0, 500), {0, 2}),
            "walk.csv: window 0 to 2 s: it holds 4 samples; at least 10 are needed");
  media::ImuRecording standing = recording_of(40, 0, 0);
  standing.milliseconds.back() = 3000;
  EXPECT_EQ(error(standing, {0, 2}),
            "walk.csv: 39 samples in 0 ms; expected from 1 to 1048576 a second");
  EXPECT_EQ(error_of<UsageError>([] {
              prepare_imu(recording_of(1000, 0, 5), {2, 2});
            }),
            "IMU window 2 to 2 s: expected from 1 second to a day");
  EXPECT_THROW(prepare_imu(recording_of(1000, 0, 5), {0, std::nan("")}), UsageError);
}

std::filesystem::path npy_of_signal(const std::string& name, const Shape& shape,
                                    const std::vector<float>& values) {
  const auto path = std::filesystem::path(testing::TempDir()) / ("isthmus_fmri_" + name + ".npy");
  formats::write_npy(path, DType::kF32, shape, std::as_bytes(std::span(values)));
  return path;
}

TEST(Fmri, EqualsTheGoldenMean) {
  const auto expected = golden(JsonView::load(kCase / "expect.json"), "fmri");
  const Prepared found = prepare_fmri(media::NumberArray(kCase / "inputs/fmri.npy"));
  ASSERT_EQ(found.shape, expected.npy.shape);
  for (size_t i = 0; i < found.values.size(); ++i)
    ASSERT_NEAR(found.values[i], expected.npy.values[i], expected.allowed(i)) << i;
  EXPECT_EQ(found.modality, Modality::kFmri);
}

TEST(Fmri, OfTheTinyModelEqualsItsGolden) {
  const auto expected = read_npy_floats(kTinySignals / "expect/fmri.input.npy").values;
  const Prepared found =
      prepare_fmri(media::NumberArray(kTinySignals / "inputs/fmri.npy"), {.num_voxels = 210});
  ASSERT_EQ(found.values.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found.values[i], expected[i], 2e-5 + 1e-5 * std::abs(expected[i])) << i;
}

TEST(Fmri, OfOneTrialMayBeAVector) {
  const auto path = npy_of_signal("vector", {3}, {1, 2, 3});
  EXPECT_EQ(prepare_fmri(media::NumberArray(path), {.num_voxels = 3}).values,
            (std::vector<float>{1, 2, 3}));
}

TEST(Fmri, OfAnotherLengthNamesBoth) {
  const auto error = [](const std::filesystem::path& path, int64_t voxels) {
    return error_of<InputError>(
        [&] { prepare_fmri(media::NumberArray(path), {.num_voxels = voxels}); });
  };
  std::filesystem::path path = npy_of_signal("short", {1, 3}, {1, 2, 3});
  EXPECT_EQ(error(path, 15724), path.string() +
                                    ": holds 3 values per trial, the model needs 15724 (voxels of "
                                    "its own subject and mask)");
  path = npy_of_signal("deep", {1, 1, 3}, {1, 2, 3});
  EXPECT_EQ(error(path, 3),
            path.string() + ": holds an array of shape [1, 1, 3]; expected [trials, 3]");
  path = npy_of_signal("none", {0, 3}, {});
  EXPECT_EQ(error(path, 3), path.string() + ": holds no trial");
  path = npy_of_signal("nan", {1, 3}, {1, std::numeric_limits<float>::quiet_NaN(), 3});
  EXPECT_EQ(error(path, 3), path.string() + ": the value of voxel 1 is not finite");
}

}  // namespace
}  // namespace isthmus::modalities
