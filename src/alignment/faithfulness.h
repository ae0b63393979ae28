// Which part of the media caused an answer, and is that map better than chance?
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "alignment/rows.h"
#include "alignment/value.h"

namespace isthmus::alignment {

// The log-probability (nats) of an answer word with only the units present whose entry is 1: cells
// of a picture, windows of a sound. The rest holds a neutral fill.
using Scorer = std::function<double(std::span<const uint8_t> present)>;

struct Occlusion {
  std::vector<double> scores;  // log p(all) - log p(all but u); positive supports the word
  double f_all, f_none;        // log-probabilities
  double completeness_residual() const;  // f_all - f_none - Σ scores; large: units act together
};
// units + 2 calls of the scorer.
Occlusion occlusion(int64_t units, const Scorer& scorer);

// Σ of gradient · (input - fill) over the elements of every unit. All of one size;
// unit_of_element counts from 0.
std::vector<double> gradient_times_input(std::span<const double> gradient,
                                         std::span<const double> input,
                                         std::span<const double> fill,
                                         std::span<const int64_t> unit_of_element, int64_t units);

// Units by score, highest first, ties to the lower one.
std::vector<int64_t> order_of(std::span<const double> scores);
// Seeded orders of no meaning.
std::vector<std::vector<int64_t>> random_orders(int64_t units, int64_t count, uint64_t seed);

// exp(scorer) after 0 … U steps of removing from all (deletion) or adding to none (insertion).
//                                                  Petsiuk et al. 2018, RISE, 1806.07421, §4.3
enum class Masking { kDeletion, kInsertion };
std::vector<double> masking_curve(Masking masking, std::span<const int64_t> order,
                                  const Scorer& scorer);
double area_under(std::span<const double> curve);  // trapezoids on [0, 1]

struct Faithfulness {
  std::vector<double> curve;
  double auc;                             // deletion: low is good; insertion: high
  double random_auc_mean, random_auc_sd;  // of the random orders, divisor count - 1
  double advantage;                       // over the random mean; at most 0: no better than chance
  Value z;                                // advantage / random_auc_sd
  double p;                               // (1 + random orders at least as good) / (count + 1)
};
// Two random orders at least (InternalError).
Faithfulness faithfulness(Masking masking, std::span<const int64_t> order,
                          std::span<const std::vector<int64_t>> random, const Scorer& scorer);

// Agreement of two maps, ties with mean ranks; kZeroVariance if one of them is constant.
Value spearman(std::span<const double> a, std::span<const double> b);

}  // namespace isthmus::alignment
