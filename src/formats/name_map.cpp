#include "formats/name_map.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

using Pattern = NameMap::Pattern;
using Captures = std::map<std::string_view, std::string_view>;

constexpr std::string_view kRest = "rest";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Pattern compile(std::string_view text) {
  const std::string whole(text);
  Pattern pattern;
  while (!text.empty()) {
    const size_t open = text.find('{');
    if (open == std::string_view::npos) {
      pattern.push_back({std::string(text), ""});
      break;
    }
    const size_t close = text.find('}', open);
    ISTHMUS_CHECK(close != std::string_view::npos && close > open + 1, whole);
    std::string placeholder(text.substr(open + 1, close - open - 1));
    ISTHMUS_CHECK(placeholder != kRest || close + 1 == text.size(),
                  whole + ": {rest} must be last");
    // A number takes every digit it can, so what follows must not begin with one.
    ISTHMUS_CHECK(
        close + 1 == text.size() || (!is_digit(text[close + 1]) && text[close + 1] != '{'), whole);
    pattern.push_back({std::string(text.substr(0, open)), std::move(placeholder)});
    text.remove_prefix(close + 1);
  }
  return pattern;
}

std::set<std::string> placeholders(const Pattern& pattern, const std::string& whole) {
  std::set<std::string> names;
  for (const auto& piece : pattern)
    ISTHMUS_CHECK(piece.placeholder.empty() || names.insert(piece.placeholder).second, whole);
  return names;
}

std::optional<Captures> match(const Pattern& pattern, std::string_view name) {
  Captures captures;
  for (const auto& piece : pattern) {
    if (!name.starts_with(piece.literal)) return std::nullopt;
    name.remove_prefix(piece.literal.size());
    if (piece.placeholder.empty()) continue;
    size_t length = 0;
    if (piece.placeholder == kRest)
      length = name.size();
    else
      while (length < name.size() && is_digit(name[length])) ++length;
    if (length == 0) return std::nullopt;
    if (piece.placeholder != kRest && length > 1 && name[0] == '0') return std::nullopt;
    captures[piece.placeholder] = name.substr(0, length);
    name.remove_prefix(length);
  }
  if (!name.empty()) return std::nullopt;
  return captures;
}

std::string fill(const Pattern& pattern, const Captures& captures) {
  std::string name;
  for (const auto& piece : pattern) {
    name += piece.literal;
    if (!piece.placeholder.empty()) name += captures.at(piece.placeholder);
  }
  return name;
}

}  // namespace

Transform inverse(Transform transform) { return transform; }  // both are their own

RawTensor apply(Transform transform, RawTensor tensor) {
  if (transform == Transform::kAsIs) return tensor;
  if (tensor.shape.size() != 2)
    throw ModelError(fmt::format("{}: {}: is {}, expected a matrix to transpose", tensor.file,
                                 tensor.name, to_string(tensor.shape)));
  std::swap(tensor.shape[0], tensor.shape[1]);
  std::swap(tensor.strides[0], tensor.strides[1]);
  return tensor;
}

NameMap::NameMap(std::vector<NameRule> rules) {
  for (const NameRule& rule : rules) {
    CompiledRule compiled{compile(rule.file_pattern), compile(rule.module_pattern), rule.transform};
    ISTHMUS_CHECK(
        placeholders(compiled.file, rule.file_pattern) ==
            placeholders(compiled.module, rule.module_pattern),
        rule.file_pattern + " and " + rule.module_pattern + " have different placeholders");
    rules_.push_back(std::move(compiled));
  }
}

std::optional<MappedName> NameMap::to_module(std::string_view file_name) const {
  for (const CompiledRule& rule : rules_)
    if (const auto captures = match(rule.file, file_name))
      return MappedName{fill(rule.module, *captures), rule.transform};
  return std::nullopt;
}

std::optional<MappedName> NameMap::to_file(std::string_view module_name) const {
  for (const CompiledRule& rule : rules_)
    if (const auto captures = match(rule.module, module_name))
      return MappedName{fill(rule.file, *captures), rule.transform};
  return std::nullopt;
}

}  // namespace isthmus::formats
