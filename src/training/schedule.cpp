#include "training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace isthmus::training {

double learning_rate(const Schedule& schedule, double rate, double at) {
  if (at < schedule.warmup) return rate * at / schedule.warmup;
  if (schedule.decay == Decay::kConstant) return rate;
  if (at > schedule.end) return schedule.min_rate;
  const double span = std::max(schedule.end - schedule.warmup, 1e-12);
  const double done = std::min((at - schedule.warmup) / span, 1.0);
  const double left =
      schedule.decay == Decay::kLinear ? 1 - done : 0.5 * (1 + std::cos(std::numbers::pi * done));
  return schedule.min_rate + (rate - schedule.min_rate) * left;
}

}  // namespace isthmus::training
