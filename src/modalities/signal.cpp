#include "modalities/signal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "media/audio.h"
#include "media/csv_table.h"
#include "media/number_array.h"
#include "media/scene_map.h"
#include "modalities/sinc_resampler.h"

namespace isthmus::modalities {
namespace {

// Channels of samples; of a picture, rows of it follow each other in a channel.
struct Signal {
  std::string source;
  std::vector<std::vector<float>> channels;
  std::vector<std::string> names;  // of the channels, if they have any
  int64_t height = 0, width = 0;   // of a picture
  double rate = 0;                 // samples per second; 0: unknown
  std::vector<std::string> notes;

  int64_t length() const { return static_cast<int64_t>(channels.front().size()); }
  std::string name(size_t channel) const {
    return channel < names.size() ? fmt::format("column {}", names[channel])
                                  : fmt::format("channel {}", channel);
  }
  void note(std::string_view what) { notes.push_back(fmt::format("{}: {}", source, what)); }
  [[noreturn]] void fail(std::string_view what) const {
    throw InputError(fmt::format("{}: {}", source, what));
  }
};

size_t column_of(const media::CsvTable& table, const std::string& wanted) {
  const auto named = std::find(table.names.begin(), table.names.end(), wanted);
  if (named != table.names.end()) return static_cast<size_t>(named - table.names.begin());
  const bool is_number = !wanted.empty() && wanted.size() < 6 &&
                         wanted.find_first_not_of("0123456789") == std::string::npos;
  if (is_number && std::stoul(wanted) < table.names.size()) return std::stoul(wanted);
  throw InputError(
      fmt::format("{}: no column {}; it has {}", table.source, wanted, table.listed_names()));
}

// Samples per second, from the first to the last time.
double rate_of(const std::vector<double>& times, double unit, const Signal& signal,
               const std::string& column) {
  for (size_t i = 0; i < times.size(); ++i)
    if (!std::isfinite(times[i]) || (i > 0 && times[i] < times[i - 1]))
      signal.fail(fmt::format("column {}, row {}: {}; expected times that never go back", column,
                              i + 1, times[i]));
  const double seconds = (times.back() - times.front()) * unit;
  const double rate = static_cast<double>(times.size() - 1) / seconds;
  if (!(seconds > 0) || !std::isfinite(rate))
    signal.fail(fmt::format("column {} does not move from {}", column, times.front()));
  return rate;
}

Signal read_csv(const std::filesystem::path& path, const SignalConfig& config) {
  const auto file = media::map_file(path);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()),
                              file->bytes().size());
  const auto is_needed = [&](std::string_view name) {
    return config.columns.empty() || name == config.time_column ||
           std::find(config.columns.begin(), config.columns.end(), name) != config.columns.end();
  };
  media::CsvTable table = media::parse_csv(text, path.string(), is_needed);
  Signal signal;
  signal.source = path.string();
  if (table.rows() == 0) signal.fail("holds the names of columns and no row");
  signal.rate = config.file_rate;
  std::vector<size_t> chosen;
  if (!config.time_column.empty()) {
    const size_t time = column_of(table, config.time_column);
    signal.rate = rate_of(table.columns[time], config.time_unit, signal, table.names[time]);
  }
  for (const std::string& column : config.columns) chosen.push_back(column_of(table, column));
  if (config.columns.empty())
    for (size_t c = 0; c < table.names.size(); ++c)
      if (table.names[c] != config.time_column) chosen.push_back(c);
  if (chosen.empty()) signal.fail("holds times and nothing else");
  for (const size_t c : chosen) {
    signal.channels.emplace_back(table.columns[c].begin(), table.columns[c].end());
    signal.names.push_back(table.names[c]);
  }
  return signal;
}

Signal read_npy(const std::filesystem::path& path, const SignalConfig& config) {
  const media::NumberArray array(path);
  Signal signal;
  signal.source = path.string();
  signal.rate = config.file_rate;
  Shape shape = array.shape();
  std::vector<float> values = array.values();
  if (values.empty())
    signal.fail(fmt::format("its shape is {}; it holds no value", to_string(shape)));
  if (config.shape == SignalShape::kVector) shape = {1, static_cast<int64_t>(values.size())};
  const size_t axes = config.shape == SignalShape::kPicture ? 3 : 2;
  if (shape.size() == axes - 1) shape.insert(shape.begin(), 1);
  if (shape.size() != axes)
    signal.fail(fmt::format("its shape is {}; expected {}", to_string(array.shape()),
                            axes == 3 ? "[channels, height, width]" : "[channels, samples]"));
  // Rows of points are how such files are written; sequences may be turned round, too.
  const bool samples_first =
      axes == 2 &&
      (config.shape == SignalShape::kRows ||
       (config.channels > 0 && shape[0] != config.channels && shape[1] == config.channels));
  if (axes == 3) {
    signal.height = shape[1];
    signal.width = shape[2];
  }
  const int64_t count = samples_first ? shape[1] : shape[0];
  const int64_t length = static_cast<int64_t>(values.size()) / count;
  for (int64_t c = 0; c < count; ++c) {
    std::vector<float> channel(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i)
      channel[static_cast<size_t>(i)] =
          values[static_cast<size_t>(samples_first ? i * count + c : c * length + i)];
    signal.channels.push_back(std::move(channel));
  }
  if (samples_first && config.shape != SignalShape::kRows)
    signal.note(fmt::format("[{}, {}] taken as [samples, channels]", shape[0], shape[1]));
  return signal;
}

Signal read_audio(const std::filesystem::path& path) {
  media::AudioReader reader(path);
  Signal signal;
  signal.source = path.string();
  signal.rate = static_cast<double>(reader.sample_rate());
  signal.channels.resize(static_cast<size_t>(reader.channels()));
  constexpr size_t kMost = size_t{1} << 27;  // samples held at once
  for (media::AudioBlock block; reader.next(block);) {
    for (size_t c = 0; c < signal.channels.size(); ++c) {
      const auto samples = block.channel(static_cast<int64_t>(c));
      signal.channels[c].insert(signal.channels[c].end(), samples.begin(), samples.end());
    }
    if (signal.channels.size() * signal.channels[0].size() > kMost)
      signal.fail(fmt::format("more than {} samples; cut it into pieces first", kMost));
  }
  return signal;
}

// One axis from `in` to `out` samples with a triangle as wide as a step of the coarser; the middle
// of the first sample is half a step from the edge.
void resize_axis(std::vector<float>& values, int64_t outer, int64_t in, int64_t inner,
                 int64_t out) {
  if (in == out) return;
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  std::vector<float> result(static_cast<size_t>(outer * out * inner));
  std::vector<double> sums(static_cast<size_t>(inner));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < out; ++i) {
      const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
      const auto first = std::max<int64_t>(0, static_cast<int64_t>(std::ceil(centre - support)));
      const auto last = std::min(in - 1, static_cast<int64_t>(std::floor(centre + support)));
      std::fill(sums.begin(), sums.end(), 0.0);
      double total = 0;
      for (int64_t t = first; t <= last; ++t) {
        const double weight = 1 - std::abs(static_cast<double>(t) - centre) / support;
        total += weight;
        const float* from = values.data() + (o * in + t) * inner;
        for (size_t k = 0; k < sums.size(); ++k) sums[k] += weight * static_cast<double>(from[k]);
      }
      float* to = result.data() + (o * out + i) * inner;
      for (size_t k = 0; k < sums.size(); ++k) to[k] = static_cast<float>(sums[k] / total);
    }
  }
  values = std::move(result);
}

Signal read_image(const std::filesystem::path& path, const SignalConfig& config) {
  const bool grey = config.channels == 1;
  const media::SceneMap map = media::load_scene_map(
      path, grey ? media::SceneMapKind::kDepth : media::SceneMapKind::kNormals);
  Signal signal;
  signal.source = path.string();
  const auto pixels = [&](const auto& picture, const auto& samples, double scale) {
    signal.width = picture.width;
    signal.height = picture.height;
    signal.channels.resize(static_cast<size_t>(config.channels));
    const auto stride = static_cast<size_t>(picture.channels);
    for (size_t i = 0; i < samples.size(); i += stride) {
      if (grey && stride == 3) {  // ITU-R 601, as Pillow's convert("L")
        signal.channels[0].push_back(
            static_cast<float>(scale * (0.299 * static_cast<double>(samples[i]) +
                                        0.587 * static_cast<double>(samples[i + 1]) +
                                        0.114 * static_cast<double>(samples[i + 2]))));
        continue;
      }
      for (size_t c = 0; c < stride; ++c)
        signal.channels[c].push_back(
            static_cast<float>(scale * static_cast<double>(samples[i + c])));
    }
  };
  if (map.picture)
    pixels(*map.picture, map.picture->pixels, 1 / 255.0);
  else
    pixels(map.measured, map.measured.values, 1);
  return signal;
}

void check_finite(const Signal& signal, const SignalConfig& config) {
  const bool csv = config.reader == SignalReader::kCsv;
  for (size_t c = 0; c < signal.channels.size(); ++c) {
    const auto& channel = signal.channels[c];
    for (size_t i = 0; i < channel.size(); ++i)
      if (!std::isfinite(channel[i]))
        signal.fail(fmt::format(
            "{}, {} {}: {}; expected a finite number", signal.name(c), csv ? "row" : "sample",
            csv ? i + 1 : i,
            csv && std::isnan(channel[i]) ? "empty or nan" : fmt::format("{}", channel[i])));
  }
}

void resample(Signal& signal, int64_t rate) {
  if (rate == 0) return;
  if (signal.rate == 0)
    signal.fail(
        fmt::format("it does not tell its samples per second, and the model wants {}; give "
                    "file_rate, or a time column",
                    rate));
  const double rounded = std::round(signal.rate);
  constexpr double kHighest = 1 << 20;
  if (!(rounded >= 1 && rounded <= kHighest))
    signal.fail(
        fmt::format("{:.4g} samples per second; expected 1 to {:.0f}", signal.rate, kHighest));
  const auto from = static_cast<int64_t>(rounded);
  if (from == rate) return;
  const double length = static_cast<double>(signal.length()) * static_cast<double>(rate) / rounded;
  constexpr double kLongest = 1 << 27;
  if (length > kLongest)
    signal.fail(fmt::format("{:.3g} samples at {} per second; the limit is {:.0f}", length, rate,
                            kLongest));
  for (std::vector<float>& channel : signal.channels) {
    SincResampler resampler(from, rate);
    std::vector<float> out;
    resampler.push(channel, out);
    resampler.finish(out);
    channel = std::move(out);
  }
  signal.note(fmt::format("resampled from {} to {} samples per second", from, rate));
}

void normalise(Signal& signal, const SignalConfig& config) {
  if (config.normalisation == Normalisation::kNone) return;
  const bool each = config.mean.size() > 1;
  if (each && config.mean.size() != signal.channels.size())
    signal.fail(fmt::format("{} channels; the model has means of {}", signal.channels.size(),
                            config.mean.size()));
  for (size_t c = 0; c < signal.channels.size(); ++c) {
    auto& channel = signal.channels[c];
    double offset = 0, scale = 1;
    if (config.normalisation == Normalisation::kMeanStd) {
      offset = config.mean[each ? c : 0];
      scale = config.std[each ? c : 0];
    } else if (config.normalisation == Normalisation::kMinMax) {
      const auto [low, high] = std::minmax_element(channel.begin(), channel.end());
      offset = static_cast<double>(*low);
      scale = static_cast<double>(*high) - offset;
    } else {
      const auto count = static_cast<double>(channel.size());
      for (const float value : channel) offset += static_cast<double>(value) / count;
      double square = 0;
      for (const float value : channel)
        square +=
            (static_cast<double>(value) - offset) * (static_cast<double>(value) - offset) / count;
      scale = std::sqrt(square);
    }
    if (scale == 0) signal.note(fmt::format("{} is constant; it became 0", signal.name(c)));
    for (float& value : channel)
      value = scale == 0 ? 0.0f : static_cast<float>((static_cast<double>(value) - offset) / scale);
  }
}

// Where windows start.
std::vector<int64_t> window_starts(Signal& signal, const SignalConfig& config) {
  std::vector<int64_t> starts{0};
  const int64_t length = signal.length(), window = config.window[0];
  while (config.hop > 0 && static_cast<int64_t>(starts.size()) < config.max_windows &&
         starts.back() + window < length)
    starts.push_back(starts.back() + config.hop);
  const int64_t end = starts.back() + window;
  if (end < length)
    signal.note(fmt::format("{} samples, of which the first {} are used", length, end));
  if (end > length)
    signal.note(fmt::format("{} samples, followed by {} zeros", length, end - length));
  return starts;
}

Prepared as_sequences(Signal& signal, const SignalConfig& config) {
  const auto channels = static_cast<int64_t>(signal.channels.size());
  const int64_t window = config.window.empty() ? signal.length() : config.window[0];
  const std::vector<int64_t> starts =
      config.window.empty() ? std::vector<int64_t>{0} : window_starts(signal, config);
  Prepared prepared;
  prepared.shape = {channels, window};
  if (config.hop > 0)
    prepared.shape.insert(prepared.shape.begin(), static_cast<int64_t>(starts.size()));
  for (const int64_t start : starts) {
    for (const auto& channel : signal.channels) {
      const int64_t begin = std::min(start, signal.length());
      const int64_t end = std::min(start + window, signal.length());
      prepared.values.insert(prepared.values.end(), channel.begin() + begin, channel.begin() + end);
      prepared.values.insert(prepared.values.end(), static_cast<size_t>(window - (end - begin)),
                             0.0f);
    }
  }
  return prepared;
}

// [rows, channels], cut or followed by rows of zeros.
Prepared as_rows(Signal& signal, const SignalConfig& config) {
  const int64_t rows = config.window.empty() ? signal.length() : config.window[0];
  if (!config.window.empty()) window_starts(signal, config);
  Prepared prepared;
  prepared.shape = {rows, static_cast<int64_t>(signal.channels.size())};
  for (int64_t row = 0; row < rows; ++row)
    for (const auto& channel : signal.channels)
      prepared.values.push_back(row < signal.length() ? channel[static_cast<size_t>(row)] : 0.0f);
  return prepared;
}

Prepared as_picture(Signal& signal, const SignalConfig& config) {
  const int64_t height = config.window.empty() ? signal.height : config.window[0];
  const int64_t width = config.window.empty() ? signal.width : config.window[1];
  if (height != signal.height || width != signal.width)
    signal.note(fmt::format("{} rows of {}, cut or filled with zeros to {} of {}", signal.height,
                            signal.width, height, width));
  Prepared prepared;
  prepared.shape = {static_cast<int64_t>(signal.channels.size()), height, width};
  for (const auto& channel : signal.channels)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x)
        prepared.values.push_back(y < signal.height && x < signal.width
                                      ? channel[static_cast<size_t>(y * signal.width + x)]
                                      : 0.0f);
  return prepared;
}

Signal read(const std::filesystem::path& path, const SignalConfig& config) {
  switch (config.reader) {
    case SignalReader::kCsv: return read_csv(path, config);
    case SignalReader::kNpy: return read_npy(path, config);
    case SignalReader::kImage: return read_image(path, config);
    case SignalReader::kAudio: return read_audio(path);
  }
  ISTHMUS_CHECK(false, "a known reader");
  return {};
}

// All channels one after the other, as one.
void flatten(Signal& signal) {
  std::vector<float>& all = signal.channels.front();
  for (size_t c = 1; c < signal.channels.size(); ++c)
    all.insert(all.end(), signal.channels[c].begin(), signal.channels[c].end());
  signal.channels.resize(1);
}

}  // namespace

Prepared prepare_signal(const std::filesystem::path& path, const SignalConfig& config) {
  Signal signal = read(path, config);
  if (config.shape == SignalShape::kPicture && config.reader == SignalReader::kCsv) {
    // The table is the picture: its columns are columns of it.
    signal.height = signal.length();
    signal.width = static_cast<int64_t>(signal.channels.size());
    std::vector<float> pixels;
    for (size_t y = 0; y < static_cast<size_t>(signal.height); ++y)
      for (const auto& column : signal.channels) pixels.push_back(column[y]);
    check_finite(signal, config);
    signal.channels = {std::move(pixels)};
    signal.names.clear();
  }
  const auto channels = static_cast<int64_t>(signal.channels.size());
  if (config.channels > 0 && channels != config.channels && config.shape != SignalShape::kVector)
    signal.fail(fmt::format("{} channels; the model takes {}", channels, config.channels));
  check_finite(signal, config);
  resample(signal, config.rate);
  if (config.reader == SignalReader::kImage) {
    for (auto& channel : signal.channels) {
      resize_axis(channel, signal.height, signal.width, 1, config.window[1]);
      resize_axis(channel, 1, signal.height, config.window[1], config.window[0]);
    }
    signal.height = config.window[0];
    signal.width = config.window[1];
  }
  normalise(signal, config);
  if (config.shape == SignalShape::kVector) flatten(signal);
  Prepared prepared = config.shape == SignalShape::kPicture ? as_picture(signal, config)
                      : config.shape == SignalShape::kRows  ? as_rows(signal, config)
                                                            : as_sequences(signal, config);
  prepared.notes = std::move(signal.notes);
  return prepared;
}

}  // namespace isthmus::modalities
