#include "weights/name_map.h"

#include "base/check.h"

namespace isthmus::weights {
namespace {

constexpr std::string_view kNumber = "{i}";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What the placeholders of `pattern` stand for in `name`; nullopt when it does not match.
std::optional<std::vector<std::string_view>> match(std::string_view pattern,
                                                   std::string_view name) {
  std::vector<std::string_view> captured;
  while (!pattern.empty()) {
    if (pattern == "*") {
      captured.push_back(name);
      return captured;
    }
    if (pattern.starts_with(kNumber)) {
      size_t digits = 0;
      while (digits < name.size() && is_digit(name[digits])) ++digits;
      if (digits == 0) return std::nullopt;
      captured.push_back(name.substr(0, digits));
      name.remove_prefix(digits);
      pattern.remove_prefix(kNumber.size());
      continue;
    }
    if (name.empty() || name.front() != pattern.front()) return std::nullopt;
    name.remove_prefix(1);
    pattern.remove_prefix(1);
  }
  if (!name.empty()) return std::nullopt;
  return captured;
}

std::string fill(std::string_view pattern, const std::vector<std::string_view>& captured) {
  std::string out;
  size_t next = 0;
  while (!pattern.empty()) {
    const bool number = pattern.starts_with(kNumber);
    if (number || pattern == "*") {
      out += captured.at(next++);
      pattern.remove_prefix(number ? kNumber.size() : 1);
    } else {
      out += pattern.front();
      pattern.remove_prefix(1);
    }
  }
  return out;
}

// "ni*": the kinds of placeholders in order, to compare the two sides of a rule.
std::string placeholders(std::string_view pattern) {
  std::string kinds;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.substr(i).starts_with(kNumber)) kinds += 'i';
    if (pattern[i] == '*') kinds += i + 1 == pattern.size() ? '*' : '?';
  }
  return kinds;
}

}  // namespace

NameMap::NameMap(std::vector<NameRule> rules) : rules_(std::move(rules)) {
  for (const NameRule& rule : rules_) {
    const std::string kinds = placeholders(rule.file);
    ISTHMUS_CHECK(kinds == placeholders(rule.module) && kinds.find('?') == std::string::npos,
                  "both sides of a name rule need the same placeholders: " + rule.file);
  }
}

std::optional<std::string> NameMap::to_module(std::string_view file_name) const {
  for (const NameRule& rule : rules_) {
    if (const auto captured = match(rule.file, file_name)) return fill(rule.module, *captured);
  }
  return std::nullopt;
}

std::optional<std::string> NameMap::to_file(std::string_view module_name) const {
  for (const NameRule& rule : rules_) {
    if (const auto captured = match(rule.module, module_name)) return fill(rule.file, *captured);
  }
  return std::nullopt;
}

bool matches_glob(std::string_view pattern, std::string_view text) {
  // The usual two-pointer walk: on a mismatch let the last star take one more character.
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace isthmus::weights
