#include "media/number_text.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>

namespace isthmus::media {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

}  // namespace

std::string_view WordReader::next() {
  rest_.remove_prefix(std::min(rest_.find_first_not_of(kWhiteSpace), rest_.size()));
  const std::string_view word = rest_.substr(0, rest_.find_first_of(kWhiteSpace));
  rest_.remove_prefix(word.size());
  return word;
}

std::optional<double> parse_number(std::string_view word) {
  if (word.starts_with('+')) word.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (end != word.data() + word.size() || error != std::errc()) return std::nullopt;
  return value;
}

std::optional<int64_t> parse_count(std::string_view word) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (end != word.data() + word.size() || error != std::errc() || value < 0) return std::nullopt;
  return value;
}

}  // namespace isthmus::media
