#include "modalities/anyres.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/check.h"

namespace isthmus::modalities {
namespace {

// The grammar of a Python list of pairs of integers.
class PairListParser {
 public:
  PairListParser(const JsonView& value, std::string text) : value_(value), text_(std::move(text)) {}

  std::vector<Resolution> parse() {
    std::vector<Resolution> pairs;
    const char close = open();
    while (!accept(close)) {
      const char end = open();
      const int64_t first = integer();
      expect(',');
      const int64_t second = integer();
      accept(',');
      expect(end);
      pairs.emplace_back(first, second);
      if (!accept(',')) {
        expect(close);
        break;
      }
    }
    skip_spaces();
    if (at_ != text_.size()) fail();
    return pairs;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool accept(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail();
  }
  char open() {
    if (accept('[')) return ']';
    expect('(');
    return ')';
  }
  int64_t integer() {
    skip_spaces();
    int64_t number = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ - begin < 10; ++at_)
      number = number * 10 + (text_[at_] - '0');
    if (at_ == begin) fail();
    return number;
  }
  [[noreturn]] void fail() const {
    value_.fail("expected a list of pairs of integers like \"[(336, 672), (672, 336)]\", found \"" +
                text_ + "\"");
  }

  const JsonView& value_;
  const std::string text_;
  size_t at_ = 0;
};

int64_t truncate(double extent, UnpadRule rule) {
  if (rule == UnpadRule::kRoundThenTruncate) {
    char text[64];  // Python's round() is this: exact decimal rounding
    std::snprintf(text, sizeof text, "%.7f", extent);
    extent = std::strtod(text, nullptr);
  }
  return static_cast<int64_t>(extent);
}

double as_double(int64_t value) { return static_cast<double>(value); }

}  // namespace

std::vector<Resolution> parse_grid_pinpoints(const JsonView& value, PinpointOrder order) {
  std::vector<Resolution> pairs;
  if (value.is_string()) {
    pairs = PairListParser(value, value.as_string()).parse();
  } else {
    if (!value.is_array()) value.fail("expected a list of pairs of integers");
    for (const JsonView& pair : value.elements()) {
      if (!pair.is_array() || pair.elements().size() != 2) pair.fail("expected a pair of integers");
      pairs.emplace_back(pair.elements()[0].as_integer(), pair.elements()[1].as_integer());
    }
  }
  if (pairs.empty()) value.fail("expected at least one resolution, found none");
  constexpr int64_t kMaxSide = 16384;  // bytes and tiles of one picture stay within reason
  for (auto& [first, second] : pairs) {
    if (first < 1 || second < 1 || first > kMaxSide || second > kMaxSide)
      value.fail("expected sides from 1 to " + std::to_string(kMaxSide) + ", found " +
                 std::to_string(first) + " and " + std::to_string(second));
    if (order == PinpointOrder::kHeightWidth) std::swap(first, second);
  }
  return pairs;
}

Resolution select_best_resolution(const Resolution& original,
                                  const std::vector<Resolution>& candidates) {
  ISTHMUS_CHECK(!candidates.empty(), "no candidate resolutions");
  const auto [original_width, original_height] = original;
  Resolution best = candidates.front();
  int64_t most_kept = 0, least_wasted = 0;
  bool found = false;
  for (const auto& [width, height] : candidates) {
    const double scale = std::min(as_double(width) / as_double(original_width),
                                  as_double(height) / as_double(original_height));
    const auto scaled_width = static_cast<int64_t>(as_double(original_width) * scale);
    const auto scaled_height = static_cast<int64_t>(as_double(original_height) * scale);
    const int64_t kept = std::min(scaled_width * scaled_height, original_width * original_height);
    const int64_t wasted = width * height - kept;
    if (kept > most_kept || (kept == most_kept && (!found || wasted < least_wasted))) {
      most_kept = kept;
      least_wasted = wasted;
      best = {width, height};
      found = true;
    }
  }
  return best;
}

Resolution fit_within(const Resolution& original, const Resolution& target) {
  const double scale_width = as_double(target.first) / as_double(original.first);
  const double scale_height = as_double(target.second) / as_double(original.second);
  const auto scaled = [](int64_t side, double scale, int64_t limit) {
    return std::min(static_cast<int64_t>(std::ceil(as_double(side) * scale)), limit);
  };
  if (scale_width < scale_height)
    return {target.first, scaled(original.second, scale_width, target.second)};
  return {scaled(original.first, scale_height, target.first), target.second};
}

FeatureWindow unpad_rows_and_columns(int64_t feature_height, int64_t feature_width,
                                     const Resolution& original, UnpadRule rule) {
  const auto [width, height] = original;
  FeatureWindow window{0, feature_height, 0, feature_width};
  if (as_double(width) / as_double(height) > as_double(feature_width) / as_double(feature_height)) {
    const double scale = as_double(feature_width) / as_double(width);
    const int64_t padding = (feature_height - truncate(as_double(height) * scale, rule)) / 2;
    window.row_begin = padding;
    window.row_end = feature_height - padding;
  } else {
    const double scale = as_double(feature_height) / as_double(height);
    const int64_t padding = (feature_width - truncate(as_double(width) * scale, rule)) / 2;
    window.column_begin = padding;
    window.column_end = feature_width - padding;
  }
  return window;
}

}  // namespace isthmus::modalities
