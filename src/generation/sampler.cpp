#include "generation/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "generation/logits_processor.h"

namespace isthmus::generation {

int64_t argmax(std::span<const float> logits) {
  ISTHMUS_CHECK(!logits.empty(), "no logits");
  // Several at once, as one would wait for the one before it.
  constexpr size_t kLanes = 16;
  std::array<float, kLanes> largest;
  largest.fill(logits[0]);
  const size_t whole = logits.size() / kLanes * kLanes;
  for (size_t id = 0; id < whole; id += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane)
      largest[lane] = logits[id + lane] > largest[lane] ? logits[id + lane] : largest[lane];
  float highest = *std::ranges::max_element(largest);
  for (size_t id = whole; id < logits.size(); ++id) highest = std::max(highest, logits[id]);
  return std::ranges::find(logits, highest) - logits.begin();
}

int64_t sample_multinomial(std::span<const float> logits, Rng& rng) {
  const float largest = logits[static_cast<size_t>(argmax(logits))];
  std::vector<double> running(logits.size());
  double total = 0;
  for (size_t id = 0; id < logits.size(); ++id)
    running[id] = total += std::exp(static_cast<double>(logits[id]) - static_cast<double>(largest));
  // The first sum beyond the draw; a token of probability 0 repeats the sum before it and is never
  // first.
  const double draw = rng.uniform() * total;
  auto chosen = std::ranges::upper_bound(running, draw);
  // draw < 1 · total, but the product may round up to it.
  if (chosen == running.end()) chosen = std::ranges::lower_bound(running, total);
  return chosen - running.begin();
}

int64_t Sampler::choose(std::span<const float> logits) {
  check_logits(logits);
  return greedy_ ? argmax(logits) : sample_multinomial(logits, rng_);
}

}  // namespace isthmus::generation
