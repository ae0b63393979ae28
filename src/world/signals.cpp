#include "world/signals.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "world/render.h"
#include "world/words.h"

namespace isthmus::world {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

// sin(kTurn frequency i / rate + phase) for i = 0, 1, …, by rotation.
class Oscillator {
 public:
  Oscillator(double frequency, double rate, double phase)
      : sine_(std::sin(phase)),
        cosine_(std::cos(phase)),
        step_sine_(std::sin(kTurn * frequency / rate)),
        step_cosine_(std::cos(kTurn * frequency / rate)) {}
  double next() {
    const double value = sine_, next_sine = sine_ * step_cosine_ + cosine_ * step_sine_;
    cosine_ = cosine_ * step_cosine_ - sine_ * step_sine_;
    sine_ = next_sine;
    return value;
  }

 private:
  double sine_, cosine_, step_sine_, step_cosine_;
};

std::vector<double> event(Dice& dice, int kind, double frequency, double rate, size_t length) {
  std::vector<double> wave(length);
  if (kind < 2) {
    Oscillator oscillator(frequency, rate, 0);
    for (double& value : wave) {
      const double sine = oscillator.next();
      value = kind == 0 ? sine : sine > 0 ? .6 : sine < 0 ? -.6 : 0;
    }
    return wave;
  }
  // Noise whose power lies around the frequency, an eighth of it wide: many sines.
  constexpr int kPartials = 40;
  constexpr double kWidth = .125, kDeviation = .7;
  for (int i = 0; i < kPartials; ++i) {
    const double partial = frequency * (1 + kWidth * dice.normal());
    Oscillator oscillator(partial, rate, dice.uniform(0, kTurn));
    for (double& value : wave) value += kDeviation * std::sqrt(2.0 / kPartials) * oscillator.next();
  }
  return wave;
}

}  // namespace

std::vector<float> wave_of(Dice& dice, const Sounds& sounds, const SoundOptions& options) {
  constexpr double kFrequencies[] = {300, 800, 2000};
  constexpr double kQuarter = .25, kNoise = .01, kRamp = .01;
  ISTHMUS_CHECK(options.seconds >= 1 && options.sample_rate >= 4000, "a second of sound");
  const double rate = options.sample_rate, lead = (options.seconds - 1) / 2;
  std::vector<double> wave(static_cast<size_t>(std::lround(options.seconds * rate)));
  std::vector<int> quarters = dice.sample(4, sounds.count);
  std::sort(quarters.begin(), quarters.end());
  const double frequency =
      kFrequencies[static_cast<size_t>(sounds.pitch)] * dice.uniform(.88, 1.12);
  const double late = dice.uniform(0, .25 * kQuarter);
  for (const int quarter : quarters) {
    const auto begin = static_cast<size_t>((lead + kQuarter * quarter + late) * rate);
    const auto length = static_cast<size_t>(kQuarter * dice.uniform(.45, .65) * rate);
    const double gain = dice.uniform(.4, .9);
    const std::vector<double> sound = event(dice, sounds.kind, frequency, rate, length);
    for (size_t i = 0; i < length && begin + i < wave.size(); ++i) {
      const auto edge = static_cast<double>(std::min(i, length - 1 - i));
      wave[begin + i] += gain * sound[i] * std::min(1.0, edge / (kRamp * rate));
    }
  }
  std::vector<float> samples;
  samples.reserve(wave.size());
  for (const double value : wave)
    samples.push_back(static_cast<float>(std::clamp(value + kNoise * dice.normal(), -1.0, 1.0)));
  return samples;
}

media::ImuRecording motion_of(Dice& dice, const Activity& activity, int samples) {
  constexpr double kMilliseconds = 5, kNoise = .06;
  // Of standing, walking, running, jumping, shaking.
  constexpr double kSlowest[] = {0, 1.5, 2.6, 1.2, 5}, kFastest[] = {0, 2.0, 3.3, 1.8, 8};
  constexpr double kStrengths[] = {0, .25, .7, 1.2, .9}, kTurns[] = {0, 1, -1};
  const auto kind = static_cast<size_t>(activity.activity);
  const double frequency = dice.uniform(kSlowest[kind], kFastest[kind]);
  const double strength = kStrengths[kind] * dice.uniform(.85, 1.15);
  const double phase = dice.uniform(0, kTurn);
  const double turning = kTurns[static_cast<size_t>(activity.turn)] * dice.uniform(.5, 1);
  std::array<double, 3> wobble;
  for (double& each : wobble) each = .15 * strength * dice.uniform(-1, 1);
  media::ImuRecording recording;
  recording.source = "world";
  for (int i = 0; i < samples; ++i) {
    const double at = kTurn * frequency * i * kMilliseconds / 1000 + phase, sine = std::sin(at);
    std::array<double, media::kImuChannels> values{0, 0, 1, 0, 0, turning};
    switch (kind) {
      case 1:
      case 2:
        values[0] += .5 * strength * std::sin(at / 2 + .7);
        values[1] += .3 * strength * std::cos(at);
        values[2] += strength * sine;
        break;
      case 3: values[2] += strength * (2 * std::pow(std::max(0.0, sine), 3) - .5); break;
      case 4:
        values[0] += strength * sine;
        values[1] += .4 * strength * std::sin(at + 1);
        break;
      default: break;
    }
    for (size_t axis = 0; axis < 3; ++axis) values[3 + axis] += wobble[axis] * sine;
    recording.milliseconds.push_back(kMilliseconds * i);
    for (size_t c = 0; c < values.size(); ++c)
      recording.channels[c].push_back(static_cast<float>(values[c] + kNoise * dice.normal()));
  }
  return recording;
}

namespace {

constexpr int kCells = 8;
constexpr size_t kSeen = size_t{kCells} * kCells * 3, kRecognised = kNumShapes + kNumColours;

}  // namespace

Brain::Brain(int voxels) : voxels_(voxels) {
  ISTHMUS_CHECK(voxels >= 1, "a brain has voxels");
  constexpr uint64_t kSeed = 77;
  constexpr double kSeenScale = 1 / 14.0, kRecognisedScale = .45;
  Dice dice(kSeed);
  // Voxel by voxel, so that a brain of fewer voxels is a part of a larger one.
  for (int voxel = 0; voxel < voxels; ++voxel) {
    for (size_t i = 0; i < kSeen; ++i)
      seen_.push_back(static_cast<float>(kSeenScale * dice.normal()));
    for (size_t i = 0; i < kRecognised; ++i)
      recognised_.push_back(static_cast<float>(kRecognisedScale * dice.normal()));
  }
}

std::vector<float> Brain::activity(Dice& dice, const Scene& scene) const {
  constexpr double kMiddle = .3, kGain = 2, kNoise = .35;
  ISTHMUS_CHECK(!scene.objects.empty(), "something is seen");
  const media::Image image = render(scene, {kCells, kCells, 4});
  std::array<float, kSeen> seen;
  for (size_t i = 0; i < kSeen; ++i)
    seen[i] = static_cast<float>(kGain * (image.pixels[i] / 255.0 - kMiddle));
  const Item& item = scene.objects[0].what;
  std::vector<float> activity;
  activity.reserve(static_cast<size_t>(voxels_));
  for (size_t voxel = 0; voxel < static_cast<size_t>(voxels_); ++voxel) {
    const float* weights = &seen_[voxel * kSeen];
    const float* recognised = &recognised_[voxel * kRecognised];
    float sum = recognised[item.shape] + recognised[kNumShapes + static_cast<size_t>(item.colour)];
    for (size_t i = 0; i < kSeen; ++i) sum += weights[i] * seen[i];
    activity.push_back(sum + static_cast<float>(kNoise * dice.normal()));
  }
  return activity;
}

}  // namespace isthmus::world
