#include "grammar/number_ranges.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

namespace isthmus::grammar {

namespace {

constexpr size_t kMostFractionOfBounds = 20;

Expr digit(char first, char last) {
  return one_of(CodePoints({{static_cast<char32_t>(first), static_cast<char32_t>(last)}}));
}

Expr any_digits(size_t count) {
  return repeat(digit('0', '9'), static_cast<int64_t>(count), static_cast<int64_t>(count));
}

// Strings of the same length between two: digits agree with a bound for a while, then are free.
// A bound that no longer matters is null.
Expr digits_between(const char* least, const char* most, size_t length) {
  if (length == 0) return literal("");
  if (least == nullptr && most == nullptr) return any_digits(length);
  const char low = least != nullptr ? *least : '0', high = most != nullptr ? *most : '9';
  const auto after = [&](const char* from, const char* to) {
    return digits_between(from != nullptr ? from + 1 : nullptr, to != nullptr ? to + 1 : nullptr,
                          length - 1);
  };
  if (low == high) return sequence({digit(low, low), after(least, most)});
  std::vector<Expr> ways;
  char free_from = low, free_to = high;
  if (least != nullptr) {
    ways.push_back(sequence({digit(low, low), after(least, nullptr)}));
    ++free_from;
  }
  if (most != nullptr) {
    ways.push_back(sequence({digit(high, high), after(nullptr, most)}));
    --free_to;
  }
  if (free_from <= free_to)
    ways.push_back(sequence({digit(free_from, free_to), any_digits(length - 1)}));
  return choice(std::move(ways));
}

// 0 <= least <= most.
Expr naturals_between(int64_t least, int64_t most) {
  std::vector<Expr> ways;
  // One length at a time.
  for (int64_t from = least;;) {
    const std::string first = std::to_string(from);
    std::string last(first.size(), '9');
    const std::string highest = std::to_string(most);
    const bool is_last = first.size() == highest.size();
    if (is_last) last = highest;
    ways.push_back(digits_between(first.c_str(), last.c_str(), first.size()));
    if (is_last) return choice(std::move(ways));
    from = std::stoll(last) + 1;
  }
}

// A bound on the digits that follow the point.
struct FractionBound {
  std::string_view digits;
  bool exclusive;

  char next() const { return digits.empty() ? '0' : digits.front(); }
  FractionBound after() const {
    return {digits.substr(std::min<size_t>(1, digits.size())), exclusive};
  }
};
using MaybeBound = std::optional<FractionBound>;

bool zero_lies_between(const MaybeBound& least, const MaybeBound& most) {
  return (!least || (least->digits.empty() && !least->exclusive)) &&
         (!most || !most->digits.empty() || !most->exclusive);
}

// Digits behind the point, one at least unless `may_end`, and at most `room`. Null: there are none.
Expr fraction_between(MaybeBound least, const MaybeBound& most, bool may_end, size_t room) {
  if (least && least->digits.empty() && !least->exclusive) least.reset();  // zero or more: anything
  if (!least && !most)
    return repeat(digit('0', '9'), may_end ? 0 : 1,
                  static_cast<int64_t>(std::max<size_t>(room, 1)));
  std::vector<Expr> ways;
  if (may_end && zero_lies_between(least, most)) ways.push_back(literal(""));
  const char low = least ? least->next() : '0', high = most ? most->next() : '9';
  for (char d = low; room > 0 && d <= high; ++d) {
    const bool at_low = least && d == low, at_high = most && d == high;
    // Digits between the bounds lead to the same.
    const char last = at_low || at_high ? d : static_cast<char>(most ? high - 1 : '9');
    Expr rest =
        fraction_between(at_low ? MaybeBound(least->after()) : std::nullopt,
                         at_high ? MaybeBound(most->after()) : std::nullopt, true, room - 1);
    if (rest) ways.push_back(sequence({digit(d, last), std::move(rest)}));
    d = last;
  }
  return ways.empty() ? nullptr : choice(std::move(ways));
}

// Nothing or a point with digits; null: neither.
Expr point_between(const MaybeBound& least, const MaybeBound& most) {
  std::vector<Expr> ways;
  if (zero_lies_between(least, most)) ways.push_back(literal(""));
  if (Expr digits = fraction_between(least, most, false, kMostFractionOfBounds))
    ways.push_back(sequence({literal("."), std::move(digits)}));
  return ways.empty() ? nullptr : choice(std::move(ways));
}

// Numbers that are not negative, from `least` to `most` in magnitude.
Expr magnitudes_between(const DecimalBound& least, const std::optional<DecimalBound>& most) {
  std::vector<Expr> ways;
  const auto add = [&](int64_t from, int64_t to, const MaybeBound& low, const MaybeBound& high) {
    if (from > to) return;
    if (Expr point = point_between(low, high))
      ways.push_back(sequence({naturals_between(from, to), std::move(point)}));
  };
  const MaybeBound low = FractionBound{least.fraction, least.exclusive};
  const MaybeBound high =
      most ? MaybeBound(FractionBound{most->fraction, most->exclusive}) : std::nullopt;
  if (most && most->whole == least.whole) {
    add(least.whole, least.whole, low, high);
  } else if (!most || most->whole > least.whole) {
    add(least.whole, least.whole, low, std::nullopt);
    add(least.whole + 1, most ? most->whole - 1 : kLargestInteger, std::nullopt, std::nullopt);
    if (most) add(most->whole, most->whole, std::nullopt, high);
  }
  return ways.empty() ? nullptr : choice(std::move(ways));
}

DecimalBound negated(DecimalBound bound) {
  bound.negative = !bound.negative;
  return bound;
}

// The numbers of [least, most] that are not negative; null: there are none.
Expr not_negative(const std::optional<DecimalBound>& least,
                  const std::optional<DecimalBound>& most) {
  if (most && most->negative && !most->is_zero()) return nullptr;
  const bool from_least = least && (!least->negative || least->is_zero());
  return magnitudes_between(from_least ? *least : DecimalBound{}, most);
}

}  // namespace

Expr integers_between(int64_t least, int64_t most) {
  std::vector<Expr> ways;
  if (most >= 0) ways.push_back(naturals_between(std::max<int64_t>(least, 0), most));
  if (least < 0)
    ways.push_back(sequence({literal("-"), naturals_between(std::max<int64_t>(-most, 1), -least)}));
  return choice(std::move(ways));
}

std::optional<DecimalBound> DecimalBound::of(double value, bool exclusive) {
  if (!(std::abs(value) <= static_cast<double>(kLargestInteger) / 2)) return std::nullopt;
  // The shortest decimal that is this number.
  char text[400];
  const auto end =
      std::to_chars(text, text + sizeof text, std::abs(value), std::chars_format::fixed);
  const std::string_view digits(text, static_cast<size_t>(end.ptr - text));
  const size_t point = std::min(digits.find('.'), digits.size());
  DecimalBound bound;
  bound.negative = value < 0;
  bound.exclusive = exclusive;
  bound.whole = std::stoll(std::string(digits.substr(0, point)));
  if (point < digits.size()) bound.fraction = digits.substr(point + 1);
  if (bound.fraction.size() >= kMostFractionOfBounds) return std::nullopt;
  return bound;
}

Expr numbers_between(const std::optional<DecimalBound>& least,
                     const std::optional<DecimalBound>& most) {
  std::vector<Expr> ways;
  if (Expr ordinary = not_negative(least, most)) ways.push_back(std::move(ordinary));
  const auto mirrored = [](const std::optional<DecimalBound>& bound) {
    return bound ? std::optional(negated(*bound)) : std::nullopt;
  };
  // -0 is 0, and lies where that does.
  if (Expr negative = not_negative(mirrored(most), mirrored(least)))
    ways.push_back(sequence({literal("-"), std::move(negative)}));
  return ways.empty() ? nullptr : choice(std::move(ways));
}

}  // namespace isthmus::grammar
