// One step of learning: examples to a loss, its gradients, and moved weights.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "families/family.h"
#include "training/feature_cache.h"
#include "training/loss.h"
#include "training/optimizer.h"
#include "training/processes.h"

namespace isthmus::training {

struct LearnerOptions {
  double clip_norm = 1;  // 0: gradients are not clipped
  // OpenFlamingo clips what has come together so far after every micro-batch, which scales earlier
  // ones down again; the others clip once, before the step.
  bool clips_every_micro_step = false;
  bool gradient_checkpointing = false;  // of the language model's blocks
};

// A batch that was computed, over all processes: its loss, and for how many tokens.
struct MicroStep {
  double loss = 0;
  int64_t num_targets = 0;
};

// Owns no weights. Not for several threads. With several processes each has the whole model and its
// share of every batch; gradients meet once a step, and each process moves the weights whose
// optimiser state it keeps.            Rajbhandari et al. 2020 (arXiv 1910.02054), stage 1
class Learner {
 public:
  // `optimizers`: of this process's own weights. `all`: of every process's, in one order.
  Learner(families::Family& family, std::vector<std::unique_ptr<Optimizer>> optimizers,
          std::vector<Trainable> all, const LearnerOptions& options,
          std::shared_ptr<Processes> processes);
  // Alone, all weights are its own.
  Learner(families::Family& family, std::vector<std::unique_ptr<Optimizer>> optimizers,
          const LearnerOptions& options);

  // The mean loss over the targets of the batch; gradients are recorded where weights ask for them.
  TokenLoss loss(std::span<const families::Example> batch);
  // Adds the gradients of scale · loss to what is there. A batch without a target adds nothing.
  MicroStep accumulate(std::span<const families::Example> batch, double scale);
  // Ends a micro-step: rows that do not learn lose their gradients; clips if every one is clipped.
  // Returns the norm before clipping (of this process alone where it is not clipped yet).
  double finish_micro_step();
  // Clips if it is done once, steps all optimisers, each group with its rate · factor, and drops
  // the gradients. Returns the norm before clipping (of a step clipped at every micro-step: the
  // norm that is left). A norm that is no number moves nothing.
  double step(double factor);
  // The same with a rate per group, in the order of the optimisers and their groups.
  double step(const std::vector<double>& rates);
  void drop_gradients();
  // Of the frozen encoder; it must outlive the learner.
  void set_feature_cache(FeatureCache* cache) { cache_ = cache; }

  const std::vector<Trainable>& trainables() const { return trainables_; }
  const std::vector<std::unique_ptr<Optimizer>>& optimizers() const { return optimizers_; }

 private:
  void join_gradients();
  void share_weights();

  families::Family& family_;
  std::vector<std::unique_ptr<Optimizer>> optimizers_;
  std::vector<Trainable> trainables_;
  LearnerOptions options_;
  std::shared_ptr<Processes> processes_;
  FeatureCache* cache_ = nullptr;
  bool joined_ = false;  // the gradients are those of all processes
};

// Which process keeps the optimiser's state of each weight, so that all keep about as many numbers.
std::vector<int64_t> owners_of(std::span<const Trainable> trainables, int64_t world);

}  // namespace isthmus::training
