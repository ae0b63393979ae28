// How the learning rate changes.
#pragma once

namespace isthmus::training {

enum class Decay { kConstant, kLinear, kCosine };

// From 0 to the rate over `warmup`, then to `min_rate` at `end`, in whatever is counted: steps, or
// epochs. The first step, at 0, has a rate of 0 where there is a warm-up; that is so in all three
// families' references.
//   LLaVA (transformers): steps, warmup = ceil(ratio · steps), end = steps
//   OpenFlamingo: steps, constant, or end = steps
//   OneLLM: micro-steps in alignment, fractional epochs in instruction tuning; min_rate above 0
struct Schedule {
  Decay decay = Decay::kConstant;
  double warmup = 0, end = 0;
  double min_rate = 0;
};

double learning_rate(const Schedule& schedule, double rate, double at);

}  // namespace isthmus::training
