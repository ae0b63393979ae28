#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "modalities/signal.h"

namespace isthmus::modalities {
namespace {

constexpr int64_t kLongest = int64_t{1} << 24;      // of a window
constexpr int64_t kHighestRate = int64_t{1} << 20;  // samples per second

template <typename Value>
using Names = std::span<const std::pair<std::string_view, Value>>;

template <typename Value>
Value chosen(const JsonView& json, std::string_view key, Names<Value> names) {
  const std::string found = json.string(key);
  std::string known;
  for (const auto& [name, value] : names) {
    if (name == found) return value;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
  }
  json.at(key).fail(fmt::format("\"{}\" is none of {}", found, known));
}

constexpr std::array<std::pair<std::string_view, SignalReader>, 4> kReaders{
    {{"csv", SignalReader::kCsv},
     {"npy", SignalReader::kNpy},
     {"image", SignalReader::kImage},
     {"audio", SignalReader::kAudio}}};
constexpr std::array<std::pair<std::string_view, SignalShape>, 5> kTokenizers{
    {{"conv1d", SignalShape::kSequence},
     {"conv2d", SignalShape::kPicture},
     {"patches", SignalShape::kPicture},
     {"linear", SignalShape::kVector},
     {"knn", SignalShape::kRows}}};
constexpr std::array<std::pair<std::string_view, Normalisation>, 3> kNormalisations{
    {{"none", Normalisation::kNone},
     {"zscore", Normalisation::kZScore},
     {"min_max", Normalisation::kMinMax}}};
constexpr std::array<std::pair<std::string_view, double>, 4> kTimeUnits{
    {{"s", 1.0}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}}};
// `name` and `stride` are the model's; they stand in the same entry.
constexpr std::array<std::string_view, 16> kKeys = {
    "name",      "stride",    "reader", "tokenizer", "window",      "channels",  "columns", "time",
    "time_unit", "file_rate", "rate",   "hop",       "max_windows", "normalise", "mean",    "std"};

std::vector<double> numbers(const JsonView& json) {
  if (!json.is_array()) return {json.as_number()};
  std::vector<double> out;
  for (const JsonView& value : json.elements()) out.push_back(value.as_number());
  return out;
}

Shape window_of(const JsonView& json, SignalShape shape) {
  Shape window;
  if (json.is_array()) {
    for (const JsonView& size : json.elements()) window.push_back(size.as_integer());
  } else {
    window.push_back(json.as_integer());
  }
  const size_t wanted = shape == SignalShape::kPicture ? 2 : 1;
  if (window.size() == 1 && wanted == 2) window.push_back(window[0]);
  if (window.size() != wanted)
    json.fail(fmt::format("has {} numbers; this tokenizer takes {}", window.size(), wanted));
  int64_t product = 1;
  for (const int64_t size : window) {
    if (size < 1 || size > kLongest) json.fail(fmt::format("{} is no possible size", size));
    product *= size;
  }
  if (product > kLongest) json.fail(fmt::format("more than {} values", kLongest));
  return window;
}

void read_normalisation(const JsonView& json, SignalConfig& config) {
  const auto normalise = json.find("normalise");
  if (!normalise) return;
  if (normalise->is_string()) {
    config.normalisation = chosen<Normalisation>(json, "normalise", kNormalisations);
    return;
  }
  if (!normalise->is_object())
    normalise->fail("expected none, zscore, min_max or an object with mean and std");
  config.normalisation = Normalisation::kMeanStd;
  config.mean = numbers(normalise->at("mean"));
  config.std = numbers(normalise->at("std"));
  for (const double value : config.std)
    normalise->require(value > 0, "std", fmt::format("{} is not above 0", value));
  normalise->require(
      !config.mean.empty() && config.mean.size() == config.std.size(), "std",
      fmt::format("{} numbers beside {} of mean", config.std.size(), config.mean.size()));
}

}  // namespace

SignalConfig SignalConfig::parse(const JsonView& json) {
  for (const auto& [key, value] : json.members())
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
      value.fail(fmt::format("unknown key; known here are {}", fmt::join(kKeys, ", ")));
  SignalConfig config{};
  config.reader = chosen<SignalReader>(json, "reader", kReaders);
  config.shape = chosen<SignalShape>(json, "tokenizer", kTokenizers);
  if (const auto window = json.find("window")) config.window = window_of(*window, config.shape);
  config.channels = json.positive("channels", 0);
  if (const auto columns = json.find("columns"))
    for (const JsonView& column : columns->elements())
      config.columns.push_back(column.is_string() ? column.as_string()
                                                  : std::to_string(column.as_integer()));
  const auto only_for = [&](std::string_view key, bool fits, std::string_view what) {
    json.require(fits || !json.contains(key), key, what);
  };
  const bool csv = config.reader == SignalReader::kCsv,
             image = config.reader == SignalReader::kImage;
  only_for("columns", csv, "only csv files have columns");
  only_for("time", csv, "only csv files have columns");
  only_for("time_unit", json.contains("time"), "there is no time column");
  config.time_column = json.string("time", "");
  if (json.contains("time_unit")) config.time_unit = chosen<double>(json, "time_unit", kTimeUnits);
  only_for("file_rate", !image && config.reader != SignalReader::kAudio,
           "pictures have no rate, sound has its own");
  const bool in_time =
      config.shape == SignalShape::kSequence || config.shape == SignalShape::kVector;
  only_for("rate", !image && in_time, "only sequences and vectors have a rate");
  config.file_rate = json.number("file_rate", 0);
  json.require(config.file_rate >= 0 && config.file_rate <= static_cast<double>(kHighestRate),
               "file_rate", fmt::format("expected 0 to {}", kHighestRate));
  config.rate = json.positive("rate", 0);
  json.require(config.rate <= kHighestRate, "rate", fmt::format("expected 1 to {}", kHighestRate));
  only_for("hop", config.shape == SignalShape::kSequence && !config.window.empty(),
           "needs a convolution over one dimension and a window");
  config.hop = json.positive("hop", 0);
  config.max_windows = json.positive("max_windows", config.max_windows);
  if (image) {
    json.require(config.shape == SignalShape::kPicture && !config.window.empty(), "tokenizer",
                 "pictures need a convolution over two dimensions and a window");
    if (config.channels == 0) config.channels = 3;
    json.require(config.channels == 1 || config.channels == 3, "channels", "pictures have 1 or 3");
  }
  json.require(config.reader != SignalReader::kAudio || in_time, "tokenizer",
               "sound is a sequence or a vector");
  read_normalisation(json, config);
  return config;
}

}  // namespace isthmus::modalities
