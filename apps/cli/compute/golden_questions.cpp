#include "golden_questions.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "families/media_kinds.h"
#include "isthmus/error.h"
#include "media/image.h"
#include "world/encode.h"
#include "world/examples.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;
using modalities::SignalConfig;
using modalities::SignalReader;
using modalities::SignalShape;
using nlohmann::ordered_json;

constexpr uint64_t kQuestionSeed = 7;  // of everything that is drawn
constexpr int64_t kNewTokens = 4;      // of each answer
constexpr int64_t kLength = 256;       // of signals whose length the model leaves open
constexpr double kUsualRate = 100;     // samples per second, likewise

// Waves of which no two channels are alike.
float wave(int64_t channel, int64_t i) {
  return static_cast<float>(std::sin(0.07 * static_cast<double>((channel + 1) * (i + 3))));
}

bool is_number(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

world::Bytes csv_of(const SignalConfig& config, int64_t channels, int64_t rows) {
  // Columns that go by their number stand where it says.
  std::vector<std::string> names;
  for (const std::string& column : config.columns) {
    if (!is_number(column)) names.push_back(column);
    while (is_number(column) && std::ssize(names) <= std::stoll(column))
      names.push_back(fmt::format("c{}", names.size()));
  }
  for (int64_t i = 0; config.columns.empty() && i < channels; ++i)
    names.push_back(fmt::format("c{}", i));
  const double rate = config.rate > 0        ? static_cast<double>(config.rate)
                      : config.file_rate > 0 ? config.file_rate
                                             : kUsualRate;
  const bool has_time = !config.time_column.empty();
  std::string text = fmt::format("{}", fmt::join(names, ","));
  text += has_time ? "," + config.time_column + "\n" : "\n";
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < std::ssize(names); ++i)
      text += fmt::format("{}{:.5f}", i == 0 ? "" : ",", wave(i, row));
    if (has_time)
      text += fmt::format(",{:.9g}", static_cast<double>(row) / rate / config.time_unit);
    text += '\n';
  }
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

// A file as the model's own description of the kind asks for one, and its ending.
std::pair<world::Bytes, const char*> signal_of(const families::MediaKind& kind) {
  const SignalConfig& config = *kind.recipe;
  const int64_t channels =
      std::max<int64_t>(1, config.channels > 0 ? config.channels : kind.values);
  const auto side = [&](size_t i) { return i < config.window.size() ? config.window[i] : kLength; };
  if (config.reader == SignalReader::kAudio) {
    std::vector<float> samples;
    for (int64_t i = 0; i < 16000; ++i) samples.push_back(wave(0, i) / 2);
    return {world::write_wav(samples, 16000), ".wav"};
  }
  if (config.reader == SignalReader::kImage) {
    media::Image picture{side(1), side(0), channels, {}};
    for (int64_t i = 0; i < picture.width * picture.height * channels; ++i)
      picture.pixels.push_back(
          static_cast<uint8_t>(127.5F + 127 * wave(i % channels, i / channels)));
    return {world::write_png(picture), ".png"};
  }
  if (config.reader == SignalReader::kCsv) return {csv_of(config, channels, side(0)), ".csv"};
  std::vector<int64_t> shape;
  switch (config.shape) {
    case SignalShape::kSequence: shape = {channels, side(0)}; break;
    case SignalShape::kPicture: shape = {channels, side(0), side(1)}; break;
    case SignalShape::kVector: shape = {config.window.empty() ? kind.values : side(0)}; break;
    case SignalShape::kRows: shape = {side(0), channels}; break;
  }
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(wave(0, i));
  return {world::write_npy(values, shape), ".npy"};
}

// The kind's own name is the model's and may be no name of a file.
Part medium_of(const families::MediaKind& kind, const fs::path& folder, const std::string& name) {
  if (kind.recipe) {
    const auto [bytes, ending] = signal_of(kind);
    const fs::path path = folder / (name + ending);
    write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return Part::of_media(kind.name, path);
  }
  world::ExampleOptions options;
  options.points = 1024;
  options.voxels = kind.name == "fmri" ? static_cast<int>(kind.values) : 1;
  return world::save(
      world::Examples(kQuestionSeed, world::Split::kAny, options).draw(kind.name, /*index=*/0),
      folder, name);
}

ordered_json text_part(const char* text) { return {{"type", "text"}, {"text", text}}; }

ordered_json question(const std::vector<ordered_json>& content) {
  const ordered_json message{{"role", "user"}, {"content", content}};
  return {{"messages", ordered_json::array({message})},
          {"generate", {{"max_new_tokens", kNewTokens}}}};
}

// What is asked about a medium; nothing where none can be made up.
std::optional<ordered_json> question_about(const families::MediaKind& kind,
                                           const families::Family& family, const fs::path& folder,
                                           const std::string& name) {
  const bool is_known =
      kind.recipe || std::ranges::find(world::kModalities, kind.name) != world::kModalities.end();
  try {
    if (!is_known) throw UnsupportedError("a kind of medium that is not known");
    const Part part = medium_of(kind, folder, name);
    (void)family.prepare({&part, kind.name});
    ordered_json medium{{"type", kind.name}, {"path", part.path.filename().string()}};
    if (!part.rgb.empty()) medium["rgb"] = part.rgb.filename().string();
    return question({medium, text_part("What is this?")});
  } catch (const Error& error) {
    log::warn(fmt::format("no golden vectors of {}: {}", kind.name, error.what()));
    return std::nullopt;
  }
}

}  // namespace

std::vector<engine::GoldenQuestion> golden_questions(const families::Family& family,
                                                     const fs::path& folder) {
  std::vector<engine::GoldenQuestion> questions;
  questions.push_back({"text", question({text_part("Which colors does a rainbow have?")})});
  for (const families::MediaKind& kind : families::media_kinds(family))
    if (auto asked =
            question_about(kind, family, folder, fmt::format("medium{}", questions.size())))
      questions.push_back({kind.name, std::move(*asked)});
  return questions;
}

}  // namespace isthmus::cli
