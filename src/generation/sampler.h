// Chooses the next token from processed logits.
#pragma once

#include <cstdint>
#include <span>

#include "base/rng.h"
#include "isthmus/generation.h"

namespace isthmus::generation {

// The id of the largest logit, the lowest of equals as torch.argmax on CPU. `logits` must not be
// empty.
int64_t argmax(std::span<const float> logits);

// Draws an id with probability softmax(logits); one number is taken from `rng` per call. At least
// one logit must be above -infinity.
int64_t sample_multinomial(std::span<const float> logits, Rng& rng);

// Greedy when the temperature is 0. Owns its random numbers: equal seeds give equal answers
// everywhere, but not those of torch.multinomial.
class Sampler {
 public:
  explicit Sampler(const GenerationConfig& config)
      : greedy_(config.temperature == 0), rng_(config.seed) {}
  // Throws ModelError when no token is left to choose.
  int64_t choose(std::span<const float> logits);

 private:
  bool greedy_;
  Rng rng_;
};

}  // namespace isthmus::generation
