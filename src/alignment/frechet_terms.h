// The terms of a Fréchet distance between matrices; for frechet.cpp and mir.cpp.
#pragma once

#include "alignment/dense.h"

namespace isthmus::alignment {

struct FrechetTerms {
  double mean_term, trace_media, trace_text, trace_sqrt;
  double trace_product;  // tr(Σ_V Σ_T)
  double distance() const { return mean_term + trace_media + trace_text - 2 * trace_sqrt; }
};

// Two rows each at least, of the same width.
FrechetTerms frechet_terms(const Matrix& v, const Matrix& t);

}  // namespace isthmus::alignment
