// One step of learning: examples to a loss, its gradients, and moved weights.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "families/family.h"
#include "training/loss.h"
#include "training/optimizer.h"

namespace isthmus::training {

struct LearnerOptions {
  double clip_norm = 1;  // 0: gradients are not clipped
  // OpenFlamingo clips what has come together so far after every micro-batch, which scales earlier
  // ones down again; the others clip once, before the step.
  bool clips_every_micro_step = false;
};

// A batch that was computed: its loss, and for how many tokens.
struct MicroStep {
  double loss = 0;
  int64_t num_targets = 0;
};

// Owns no weights. Not for several threads.
class Learner {
 public:
  Learner(families::Family& family, std::vector<std::unique_ptr<Optimizer>> optimizers,
          const LearnerOptions& options);

  // The mean loss over the targets of the batch; gradients are recorded where weights ask for them.
  TokenLoss loss(std::span<const families::Example> batch);
  // Adds the gradients of scale · loss to what is there. A batch without a target adds nothing.
  MicroStep accumulate(std::span<const families::Example> batch, double scale);
  // Ends a micro-step: rows that do not learn lose their gradients; clips if every one is clipped.
  // Returns the norm before clipping.
  double finish_micro_step();
  // Clips if it is done once, steps all optimisers, each group with its rate · factor, and drops
  // the gradients. Returns the norm before clipping (of a step clipped at every micro-step: the
  // norm that is left).
  double step(double factor);
  // The same with a rate per group, in the order of the optimisers and their groups.
  double step(const std::vector<double>& rates);
  void drop_gradients();

  const std::vector<Trainable>& trainables() const { return trainables_; }
  const std::vector<std::unique_ptr<Optimizer>>& optimizers() const { return optimizers_; }

 private:
  families::Family& family_;
  std::vector<std::unique_ptr<Optimizer>> optimizers_;
  LearnerOptions options_;
  std::vector<Trainable> trainables_;
};

}  // namespace isthmus::training
