#include "media/imu.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/csv_table.h"
#include "media/number_array.h"

namespace isthmus::media {
namespace {

constexpr std::array<std::string_view, kImuChannels> kChannelNames = {"acc_x",  "acc_y",  "acc_z",
                                                                      "gyro_x", "gyro_y", "gyro_z"};

void check(const ImuRecording& recording) {
  if (recording.samples() == 0)
    throw InputError(fmt::format("{}: holds no sample", recording.source));
  for (size_t c = 0; c < kImuChannels; ++c)
    for (size_t i = 0; i < recording.samples(); ++i)
      if (!std::isfinite(recording.channels[c][i]))
        throw InputError(fmt::format("{}: sample {} of {} is missing or not finite",
                                     recording.source, i, kChannelNames[c]));
  for (size_t i = 0; i < recording.samples(); ++i) {
    if (!std::isfinite(recording.milliseconds[i]))
      throw InputError(
          fmt::format("{}: timestamp {} is missing or not finite", recording.source, i));
    if (i > 0 && recording.milliseconds[i] < recording.milliseconds[i - 1])
      throw InputError(fmt::format("{}: timestamps go back at sample {}, from {} to {} ms",
                                   recording.source, i, recording.milliseconds[i - 1],
                                   recording.milliseconds[i]));
  }
}

// Lower case, without what stands in brackets, single underscores between the parts.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name.substr(0, name.find_first_of("([")))
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!plain.empty() && plain.back() != '_')
      plain += '_';
  while (plain.ends_with('_')) plain.pop_back();
  return plain;
}

// The place among the channels; nullopt for a name of something else.
std::optional<size_t> channel_named(std::string_view name) {
  constexpr std::pair<std::string_view, size_t> kSensors[] = {
      {"accelerometer", 0}, {"acceleration", 0}, {"accel", 0}, {"accl", 0}, {"acc", 0}, {"a", 0},
      {"gyroscope", 3},     {"gyro", 3},         {"gyr", 3},   {"g", 3}};
  const std::string plain = plain_name(name);
  for (const auto& [sensor, first] : kSensors) {
    std::string_view axis = plain;
    if (!axis.starts_with(sensor)) continue;
    axis.remove_prefix(sensor.size());
    if (axis.starts_with('_')) axis.remove_prefix(1);
    if (axis == "x" || axis == "y" || axis == "z")
      return first + static_cast<size_t>(axis[0] - 'x');
  }
  return std::nullopt;
}

struct TimeColumn {
  size_t preference = 0;    // of several the lowest is taken
  double milliseconds = 0;  // that one unit lasts; 0: not said
};

std::optional<TimeColumn> time_column_named(std::string_view name) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"_ns", 1e-6}, {"_us", 1e-3}, {"_ms", 1}, {"_s", 1000}, {"_sec", 1000}, {"_seconds", 1000}};
  // Ego4D's files have two; the canonical one is that of the video.
  constexpr std::string_view kNames[] = {
      "canonical_timestamp", "timestamp", "timestamps", "time", "t", "component_timestamp"};
  std::string plain = plain_name(name);
  TimeColumn column;
  for (const auto& [unit, milliseconds] : kUnits)
    if (plain.ends_with(unit)) {
      column.milliseconds = milliseconds;
      plain.resize(plain.size() - unit.size());
      break;
    }
  const auto found = std::find(std::begin(kNames), std::end(kNames), plain);
  if (found == std::end(kNames)) return std::nullopt;
  column.preference = static_cast<size_t>(found - std::begin(kNames));
  return column;
}

bool is_imu_column(std::string_view name) {
  return channel_named(name).has_value() || time_column_named(name).has_value();
}

// The unit in which steps of such a length are plausible for a motion sensor.
std::pair<double, std::string_view> guess_unit(const std::vector<double>& times) {
  constexpr std::pair<double, std::string_view> kUnits[] = {
      {1000, "seconds"}, {1, "milliseconds"}, {1e-3, "microseconds"}, {1e-6, "nanoseconds"}};
  constexpr double kLongestStep = 500;  // milliseconds
  const double step =
      times.size() < 2 ? 0 : (times.back() - times.front()) / static_cast<double>(times.size() - 1);
  for (const auto& unit : kUnits)
    if (step * unit.first <= kLongestStep) return unit;
  return kUnits[3];
}

std::vector<double> load_timestamps(const std::filesystem::path& path, size_t samples,
                                    const std::string& source) {
  const NumberArray array(path);
  const Shape& shape = array.shape();
  const bool is_row = shape.size() == 2 && shape[0] == 1;
  if (!is_row && shape.size() != 1 && !(shape.size() == 2 && shape[1] == 1))
    throw InputError(
        fmt::format("{}: holds an array of shape {}; expected one timestamp per "
                    "sample",
                    path.string(), to_string(shape)));
  const int64_t count = is_row ? shape[1] : shape[0];
  if (count != static_cast<int64_t>(samples))
    throw InputError(fmt::format("{}: holds {} timestamps, {} holds {} samples", path.string(),
                                 count, source, samples));
  std::vector<double> milliseconds;
  for (int64_t i = 0; i < count; ++i) milliseconds.push_back(is_row ? array.at(0, i) : array.at(i));
  return milliseconds;
}

ImuRecording load_npy_imu(const std::filesystem::path& path, const ImuFileOptions& options) {
  const NumberArray array(path);
  const Shape& shape = array.shape();
  constexpr auto kSix = static_cast<int64_t>(kImuChannels);
  if (shape.size() != 2 || (shape[0] != kSix && shape[1] != kSix))
    throw InputError(
        fmt::format("{}: holds an array of shape {}; expected [6, samples] "
                    "(accelerometer x y z, gyroscope x y z)",
                    path.string(), to_string(shape)));
  const bool by_channel = shape[0] == kSix;
  const int64_t samples = by_channel ? shape[1] : shape[0];
  ImuRecording recording;
  recording.source = path.string();
  for (int64_t c = 0; c < kSix; ++c)
    for (int64_t i = 0; i < samples; ++i)
      recording.channels[static_cast<size_t>(c)].push_back(
          static_cast<float>(by_channel ? array.at(c, i) : array.at(i, c)));

  if (options.samples_per_second > 0) {
    for (int64_t i = 0; i < samples; ++i)
      recording.milliseconds.push_back(1000 * static_cast<double>(i) / options.samples_per_second);
    return recording;
  }
  std::filesystem::path timestamps = options.timestamps;
  if (timestamps.empty()) {
    timestamps = timestamps_beside(path);
    if (!std::filesystem::exists(timestamps))
      throw InputError(
          fmt::format("{}: its timestamps are expected in {}, which does not exist. "
                      "Give them, or the samples per second",
                      path.string(), timestamps.string()));
  }
  recording.milliseconds =
      load_timestamps(timestamps, static_cast<size_t>(samples), recording.source);
  return recording;
}

}  // namespace

std::filesystem::path timestamps_beside(const std::filesystem::path& recording) {
  return recording.parent_path() / (recording.stem().string() + "_timestamps.npy");
}

ImuRecording parse_imu_csv(std::string_view text, const std::string& source) {
  CsvTable table = parse_csv(text, source, is_imu_column);
  ImuRecording recording;
  recording.source = source;
  std::array<bool, kImuChannels> found{};
  std::optional<TimeColumn> time;
  for (size_t c = 0; c < table.names.size(); ++c) {
    if (const auto channel = channel_named(table.names[c]); channel && !found[*channel]) {
      recording.channels[*channel].assign(table.columns[c].begin(), table.columns[c].end());
      found[*channel] = true;
    }
    const auto column = time_column_named(table.names[c]);
    if (!column || (time && time->preference <= column->preference)) continue;
    time = column;
    recording.milliseconds = table.columns[c];
  }
  std::string missing = time ? "" : "timestamp";
  for (size_t c = 0; c < kImuChannels; ++c)
    if (!found[c]) missing += (missing.empty() ? "" : ", ") + std::string(kChannelNames[c]);
  if (!missing.empty())
    throw InputError(fmt::format("{}: lacks the columns {}; its header names {}", source, missing,
                                 table.listed_names()));
  if (time->milliseconds == 0) {
    const auto [milliseconds, unit] = guess_unit(recording.milliseconds);
    time->milliseconds = milliseconds;
    recording.notes.push_back(fmt::format("timestamps taken as {}", unit));
  }
  for (double& each : recording.milliseconds) each *= time->milliseconds;
  check(recording);
  return recording;
}

ImuRecording load_imu(const std::filesystem::path& path, const ImuFileOptions& options) {
  const std::shared_ptr<const MappedFile> file = map_file(path);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()),
                              file->bytes().size());
  if (!text.starts_with("\x93NUMPY")) return parse_imu_csv(text, path.string());
  ImuRecording recording = load_npy_imu(path, options);
  check(recording);
  return recording;
}

}  // namespace isthmus::media
