#include "modalities/imu.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "modalities/sinc_resampler.h"

namespace isthmus::modalities {
namespace {

constexpr double kLargestGap = 4000;  // milliseconds
constexpr int64_t kFewestSamples = 10;
constexpr int64_t kLongestWindow = 24 * 60 * 60;  // seconds

struct Range {
  size_t begin, end;
  int64_t size() const { return static_cast<int64_t>(end) - static_cast<int64_t>(begin); }
};

// The samples of the window, as the reference finds them.
Range range_of(const media::ImuRecording& recording, const ImuWindow& window) {
  const std::vector<double>& times = recording.milliseconds;
  const auto fail = [&](const std::string& what) {
    throw InputError(
        fmt::format("{}: window {} to {} s: {}", recording.source, window.start, window.end, what));
  };
  if (1000 * window.start > times.back() || 1000 * window.end > times.back())
    fail(fmt::format("the recording ends at {} s", times.back() / 1000));
  const auto first_from = [&](double seconds) {
    const auto found = std::lower_bound(times.begin(), times.end(), 1000 * seconds);
    if (std::abs(1000 * seconds - *found) > kLargestGap)
      fail(fmt::format("the next sample lies at {} s, more than 4 s away", *found / 1000));
    return static_cast<size_t>(found - times.begin());
  };
  Range range{first_from(window.start), first_from(window.end)};
  if (range.begin == range.end) {
    range.begin -= range.begin > 0 ? 1 : 0;
    range.end = std::min(range.end + 1, times.size());
  }
  if (range.size() < kFewestSamples)
    fail(fmt::format("it holds {} samples; at least {} are needed", range.size(), kFewestSamples));
  return range;
}

int64_t rate_of(const media::ImuRecording& recording, const Range& range) {
  const double first = recording.milliseconds[range.begin];
  const double last = recording.milliseconds[range.end - 1];
  const double rate = 1000 / ((last - first) / static_cast<double>(range.size() - 1));
  constexpr double kHighest = 1 << 20;
  if (!(rate >= 1 && rate <= kHighest))
    throw InputError(fmt::format("{}: {} samples in {} ms; expected from 1 to {} a second",
                                 recording.source, range.size(), last - first, kHighest));
  return static_cast<int64_t>(rate);  // Quirk: 199.9 becomes 199, so such a signal is resampled
}

}  // namespace

ImuWindow default_imu_window(const media::ImuRecording& recording, const ImuConfig& config) {
  const double start = recording.milliseconds.front() / 1000;
  return {start, start + static_cast<double>(config.window_seconds)};
}

Prepared prepare_imu(const media::ImuRecording& recording, const ImuWindow& window,
                     const ImuConfig& config) {
  const double duration = window.end - window.start;
  const double seconds = std::nearbyint(duration);  // halves to even, as Python rounds
  if (!(seconds >= 1 && duration <= static_cast<double>(kLongestWindow)))
    throw UsageError(fmt::format("IMU window {} to {} s: expected from 1 second to a day",
                                 window.start, window.end));
  const Range range = range_of(recording, window);
  const int64_t rate = rate_of(recording, range);
  const auto wanted = static_cast<size_t>(static_cast<int64_t>(seconds) * config.sample_rate);

  Prepared prepared;
  prepared.modality = Modality::kImu;
  prepared.notes = recording.notes;
  prepared.shape = {static_cast<int64_t>(media::kImuChannels), static_cast<int64_t>(wanted)};
  size_t available = 0;
  for (const std::vector<float>& channel : recording.channels) {
    std::vector<float> samples;
    SincResampler resampler(rate, config.sample_rate);
    resampler.push(std::span(channel).subspan(range.begin, range.end - range.begin), samples);
    resampler.finish(samples);
    available = samples.size();
    samples.resize(wanted, 0.0f);
    prepared.values.insert(prepared.values.end(), samples.begin(), samples.end());
  }
  if (rate != config.sample_rate)
    prepared.notes.push_back(
        fmt::format("resampled from {} to {} samples a second", rate, config.sample_rate));
  if (available < wanted)
    prepared.notes.push_back(fmt::format("{} of {} samples, then zeros", available, wanted));
  return prepared;
}

}  // namespace isthmus::modalities
