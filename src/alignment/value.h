// A number that may be undefined, and what is said beside it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isthmus::alignment {

// Why a metric has no number. Tested in this order.
enum class Reason {
  kNone,
  kShapeMismatch,  // widths, or numbers of pairs, differ
  kNonFinite,      // NaN or infinity in the rows used; rows are never dropped silently
  kTooFewSamples,  // 1 row for means, 2 for what varies, 4 pairs for debiased CKA
  kZeroScale,      // the text rows, or another scale, are all zero
  kZeroVariance,   // total variance at most 1e-20 of the mean squared row norm
  kNotPositive,    // a logarithm or root of what is not above rounding
};
std::string_view name_of(Reason reason);  // shape_mismatch, non_finite …

struct Value {
  Value(double value) : number(value) {}
  Value(Reason why) : reason(why) {}
  bool is_defined() const { return reason == Reason::kNone; }

  double number = std::numeric_limits<double>::quiet_NaN();
  Reason reason = Reason::kNone;  // another one exactly when there is no number
};

enum class Warning {
  kRankDeficient,     // fewer rows than columns: covariances are singular
  kZeroNormRows,      // a zero row was given the unit vector 0
  kTiedSimilarities,  // ties cost half a rank each
  kFewItems,          // below 20
  kInSampleCentring,  // means come from the very items that are judged
};
std::string_view name_of(Warning warning);

// What a metric says beside its numbers.
struct Remarks {
  int64_t non_finite_rows = 0, zero_norm_rows = 0;
  std::vector<Warning> warnings;
};

// The values of a result by the names that reports and logs use.
using NamedValues = std::vector<std::pair<std::string, Value>>;

}  // namespace isthmus::alignment
