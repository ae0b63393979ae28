#include "alignment/value.h"

namespace isthmus::alignment {

std::string_view name_of(Reason reason) {
  switch (reason) {
    case Reason::kNone: return "";
    case Reason::kShapeMismatch: return "shape_mismatch";
    case Reason::kNonFinite: return "non_finite";
    case Reason::kTooFewSamples: return "too_few_samples";
    case Reason::kZeroScale: return "zero_scale";
    case Reason::kZeroVariance: return "zero_variance";
    case Reason::kNotPositive: return "not_positive";
  }
  return "";
}

std::string_view name_of(Warning warning) {
  switch (warning) {
    case Warning::kRankDeficient: return "rank_deficient";
    case Warning::kZeroNormRows: return "zero_norm_rows";
    case Warning::kTiedSimilarities: return "tied_similarities";
    case Warning::kFewItems: return "few_items";
    case Warning::kInSampleCentring: return "in_sample_centring";
  }
  return "";
}

}  // namespace isthmus::alignment
