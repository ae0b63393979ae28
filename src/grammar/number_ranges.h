// Numbers between two others, digit by digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "grammar/expression.h"

namespace isthmus::grammar {

// The largest magnitude that ranges reach.
inline constexpr int64_t kLargestInteger = 999'999'999'999'999'999;

// Integers from `least` to `most`, both included, within ±kLargestInteger; least <= most.
Expr integers_between(int64_t least, int64_t most);

// A bound in decimal: whole.fraction, without zeros at the end of the fraction.
struct DecimalBound {
  bool negative = false;
  int64_t whole = 0;
  std::string fraction;
  bool exclusive = false;

  bool is_zero() const { return whole == 0 && fraction.empty(); }
  // Nothing when the number is too large, or too small to be told from zero.
  static std::optional<DecimalBound> of(double value, bool exclusive);
};

// Numbers without exponents between two bounds, either of which may be missing. Null when there is
// none.
Expr numbers_between(const std::optional<DecimalBound>& least,
                     const std::optional<DecimalBound>& most);

}  // namespace isthmus::grammar
