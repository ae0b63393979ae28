#include "layout/config_checks.h"

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::layout {

int64_t bounded(const JsonView& json, std::string_view key, int64_t limit,
                std::optional<int64_t> fallback) {
  const int64_t value = fallback ? json.positive(key, *fallback) : json.positive(key);
  json.require(value <= limit, key,
               fmt::format("expected at most {}, found {}: no such model exists", limit, value));
  return value;
}

double above_zero(const JsonView& json, std::string_view key, double fallback) {
  const double value = json.number(key, fallback);
  json.require(value > 0, key, fmt::format("expected a number above 0, found {}", value));
  return value;
}

double norm_epsilon(const JsonView& json, std::string_view key, double fallback) {
  const double value = json.number(key, fallback);
  json.require(value > 0 && value < 1, key,
               fmt::format("expected a number in (0, 1), found {}", value));
  return value;
}

void require_off(const JsonView& json, std::string_view key) {
  if (json.boolean(key, false))
    throw UnsupportedError(
        fmt::format("{}: true is not supported (false is)", key_path(json, key)));
}

std::string key_path(const JsonView& json, std::string_view key) {
  // JsonView prints "file" for the root and "file: a.b" below it.
  const std::string where = json.where();
  const bool is_root = where.find(": ") == std::string::npos;
  return fmt::format("{}{}{}", where, is_root ? ": " : ".", key);
}

}  // namespace isthmus::layout
