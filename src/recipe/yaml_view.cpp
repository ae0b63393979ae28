#include "recipe/yaml_view.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::recipe {
namespace {

// Levenshtein 1966.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j)
      diagonal = std::exchange(
          row[j + 1], std::min({row[j + 1] + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)}));
  }
  return row.back();
}

}  // namespace

std::string hint(std::string_view word, const std::vector<std::string>& known) {
  const auto found = std::ranges::min_element(
      known, {}, [&](const std::string& other) { return distance(word, other); });
  if (found == known.end()) return "";
  return distance(word, *found) <= std::max<size_t>(2, word.size() / 2)
             ? fmt::format("; did you mean \"{}\"?", *found)
             : fmt::format("; known are {}", fmt::join(known, ", "));
}

void Complaints::add(const YAML::Node& node, const std::string& what) {
  const bool placed = node.IsDefined() && node.Mark().line >= 0;
  all_.push_back(placed ? fmt::format("{}:{}: {}", source_, node.Mark().line + 1, what)
                        : fmt::format("{}: {}", source_, what));
}

void Complaints::raise() const {
  if (!all_.empty()) throw UsageError(fmt::format("{}", fmt::join(all_, "\n")));
}

MapView::MapView(YAML::Node node, std::string path, Complaints& complaints)
    : node_(std::move(node)), path_(std::move(path)), complaints_(complaints) {
  if (!node_.IsMap()) {
    complaints_.add(node_, fmt::format("{}expected keys with values", path_));
    node_ = YAML::Node(YAML::NodeType::Map);
  }
}

YAML::Node MapView::find(std::string_view key) {
  known_.emplace_back(key);
  const YAML::Node value = static_cast<const YAML::Node&>(node_)[std::string(key)];
  // What the library gives for an absent key throws at every question.
  return value.IsDefined() ? value : YAML::Node(YAML::NodeType::Undefined);
}

YAML::Node MapView::at(std::string_view key) {
  const YAML::Node value = find(key);
  if (!value.IsDefined() || value.IsNull())
    complaints_.add(node_, fmt::format("{}{} is missing", path_, key));
  return value;
}

void MapView::complain(std::string_view key, const std::string& what) {
  const YAML::Node value = static_cast<const YAML::Node&>(node_)[std::string(key)];
  complaints_.add(value.IsDefined() ? value : node_, fmt::format("{}{}: {}", path_, key, what));
}

template <typename T>
void MapView::convert(std::string_view key, T& value, const char* expected) {
  const YAML::Node node = find(key);
  if (!node.IsDefined() || node.IsNull()) return;
  try {
    value = node.as<T>();
  } catch (const YAML::Exception&) {
    complain(key, fmt::format("expected {}{}", expected,
                              node.IsScalar() ? fmt::format(", found \"{}\"", node.Scalar()) : ""));
  }
}

void MapView::read(std::string_view key, std::string& value) { convert(key, value, "a text"); }
void MapView::read(std::string_view key, bool& value) { convert(key, value, "true or false"); }

void MapView::read(std::string_view key, double& value, double least) {
  convert(key, value, "a number");
  if (!(value >= least)) complain(key, fmt::format("expected {} or more, found {}", least, value));
}

void MapView::read(std::string_view key, int64_t& value, int64_t least) {
  convert(key, value, "a whole number");
  if (value < least) complain(key, fmt::format("expected {} or more, found {}", least, value));
}

void MapView::read(std::string_view key, std::string& value,
                   const std::vector<std::string>& words) {
  convert(key, value, "a text");
  if (std::ranges::find(words, value) == words.end())
    complain(key, fmt::format("\"{}\" is not one of {}", value, fmt::join(words, ", ")));
}

void MapView::finish() {
  for (const auto& entry : node_) {
    const auto key = entry.first.as<std::string>("");
    if (std::ranges::find(known_, key) == known_.end())
      complaints_.add(entry.first,
                      fmt::format("{}{}: unknown key{}", path_, key, hint(key, known_)));
  }
}

}  // namespace isthmus::recipe
