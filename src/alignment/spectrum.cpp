#include "alignment/spectrum.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "alignment/decompositions.h"

namespace isthmus::alignment {
namespace {

Spectrum none(Reason reason, Remarks remarks) {
  const Value v = reason;
  return {v, v, v, v, v, v, v, std::move(remarks)};
}

// (‖Σû‖² - Σ‖û‖²) / (n (n-1)): the mean over pairs without forming them.
double mean_cosine(const Matrix& x) {
  const Matrix unit = unit_rows(x);
  const double n = static_cast<double>(x.rows());
  return (unit.colwise().sum().squaredNorm() - unit.squaredNorm()) / (n * (n - 1));
}

double spectral_entropy(const Vector& singular) {
  const double sum = singular.sum();
  double nats = 0;
  for (const double value : singular)
    if (value > 0) nats -= value / sum * std::log(value / sum);
  return nats;
}

}  // namespace

Spectrum spectrum(const Rows& rows) {
  Remarks remarks;
  remarks.non_finite_rows = count_non_finite_rows(rows);
  if (remarks.non_finite_rows > 0) return none(Reason::kNonFinite, remarks);
  if (rows.rows() < 2) return none(Reason::kTooFewSamples, remarks);
  const Matrix x = dense(rows), x_centred = centred(x);
  remarks.zero_norm_rows = count_zero_rows(x);
  if (remarks.zero_norm_rows > 0) remarks.warnings.push_back(Warning::kZeroNormRows);
  if (is_constant(x, x_centred)) {
    Spectrum result = none(Reason::kZeroVariance, remarks);
    result.anisotropy = mean_cosine(x);
    return result;
  }
  const Vector singular = singular_values(x_centred), lambda = singular.cwiseAbs2();
  const double rank = std::exp(spectral_entropy(singular)), total = lambda.sum();
  return {rank,
          rank / static_cast<double>(std::min(x.rows(), x.cols())),
          total * total / lambda.squaredNorm(),
          total / lambda(0),
          lambda(0) / total,
          mean_cosine(x),
          mean_cosine(x_centred),
          remarks};
}

NamedValues Spectrum::named() const {
  return {{"effective_rank", effective_rank},
          {"effective_rank_fraction", effective_rank_fraction},
          {"participation_ratio", participation_ratio},
          {"stable_rank", stable_rank},
          {"top1_share", top1_share},
          {"anisotropy", anisotropy},
          {"anisotropy_centred", anisotropy_centred}};
}

}  // namespace isthmus::alignment
