#include "watch/curves.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

namespace isthmus::watch {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kOwnScales = "alignment";

struct Number {
  std::vector<std::string> path;
  double value;
};

void collect(const Json& json, std::vector<std::string>& path, std::vector<Number>& numbers) {
  if (json.is_number() && std::isfinite(json.get<double>())) {
    numbers.push_back({path, json.get<double>()});
    return;
  }
  if (!json.is_structured()) return;
  size_t place = 0;
  for (const auto& [key, value] : json.items()) {
    path.push_back(json.is_array() ? std::to_string(place++) : key);
    collect(value, path, numbers);
    path.pop_back();
  }
}

std::string joined(const std::vector<std::string>& parts, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += (i == 0 ? "" : "/") + parts[i];
  return text;
}

// The last part of a path is the series, if there is something before it that is the chart.
Curve curve_of(const std::vector<std::string>& path) {
  const bool is_alone = path.size() == 1 || (path.size() == 2 && path[0] == kOwnScales);
  if (is_alone) return {joined(path, path.size()), "", {}, {}};
  return {joined(path, path.size() - 1), path.back(), {}, {}};
}

}  // namespace

void Curves::forget_from(int64_t step) {
  for (Curve& curve : curves_) {
    const auto from = std::lower_bound(curve.steps.begin(), curve.steps.end(), step);
    curve.values.resize(static_cast<size_t>(from - curve.steps.begin()));
    curve.steps.erase(from, curve.steps.end());
  }
}

bool Curves::add_line(std::string_view line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer())
    return false;
  const int64_t step = json["step"];
  if (step <= last_step_) forget_from(step);
  last_step_ = step;
  std::vector<std::string> path;
  std::vector<Number> numbers;
  collect(json, path, numbers);
  for (const Number& number : numbers) {
    if (number.path.size() == 1 && number.path[0] == "step") continue;
    const auto [place, is_new] =
        index_.try_emplace(joined(number.path, number.path.size()), curves_.size());
    if (is_new) curves_.push_back(curve_of(number.path));
    Curve& curve = curves_[place->second];
    curve.steps.push_back(step);
    curve.values.push_back(number.value);
  }
  return true;
}

void CurveFile::update() {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path_, missing);
  if (missing || size < read_) {
    curves_ = {};
    read_ = 0;
  }
  if (missing || size == read_) return;
  std::ifstream stream(path_, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(read_));
  for (std::string line; std::getline(stream, line) && !stream.eof();) {
    curves_.add_line(line);
    read_ += line.size() + 1;
  }
}

DrawnCurve drawn(const Curve& curve, size_t most) {
  if (curve.steps.size() <= most) return {curve.steps, curve.values, {}, {}};
  DrawnCurve result;
  const double first = static_cast<double>(curve.steps.front());
  const double width =
      (static_cast<double>(curve.steps.back()) - first + 1) / static_cast<double>(most);
  for (size_t begin = 0; begin < curve.steps.size();) {
    const auto range_of = [&](size_t i) {
      return std::floor((static_cast<double>(curve.steps[i]) - first) / width);
    };
    size_t end = begin;
    double sum = 0;
    while (end < curve.steps.size() && range_of(end) == range_of(begin)) sum += curve.values[end++];
    const auto from = curve.values.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = curve.values.begin() + static_cast<std::ptrdiff_t>(end);
    const auto [low, high] = std::minmax_element(from, to);
    result.steps.push_back(curve.steps[end - 1]);
    result.values.push_back(sum / static_cast<double>(end - begin));
    result.low.push_back(*low);
    result.high.push_back(*high);
    begin = end;
  }
  return result;
}

}  // namespace isthmus::watch
