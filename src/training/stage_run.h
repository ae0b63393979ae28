// One stage of a recipe, from its first step or wherever it was left, to its end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "families/family.h"
#include "recipe/recipe.h"
#include "samples/mixture.h"
#include "training/estimate.h"
#include "training/feature_cache.h"
#include "training/feed.h"
#include "training/learner.h"
#include "training/processes.h"
#include "training/schedule.h"
#include "training/survey.h"
#include "training/training_state.h"

namespace isthmus::training {

// What is told after every step of the optimiser.
struct StepReport {
  int64_t step = 0, steps = 0;  // done, in all
  std::vector<double>
      losses;  // mean of each data entry's micro-batches; NaN where none had targets
  double gradient_norm = 0, rate = 0;  // before clipping; of the first group
  int64_t targets = 0;                 // tokens that carried loss
  // "gradient_norms/GROUP", "gates/WEIGHT" (behind the tanh).
  std::vector<std::pair<std::string, double>> gauges;
  bool skipped = false;  // its loss was no number, and nothing moved
};

struct StageCallbacks {
  // Of the first process alone. Before the first step of this call, with what is done already.
  std::function<void(int64_t step)> on_begin = [](int64_t) {};
  std::function<void(const StepReport&)> on_step = [](const StepReport&) {};
  std::function<void(const std::string&)> on_note = [](const std::string&) {};  // for the user
  std::function<bool()> cancelled = [] { return false; };
};

// Not for several threads. The family's weights named by the stage become trainable.
class StageRun {
 public:
  // Opens the data and adds the low-rank branches that the stage asks for. Throws what the data
  // sets, patterns and groups throw: UsageError for weights that no group takes.
  StageRun(families::Family& family, const recipe::Recipe& recipe, size_t stage,
           std::shared_ptr<Processes> processes = Processes::from_environment());

  // The first samples of each entry. Throws what survey() throws.
  std::vector<Shown> preview();
  // What the stage will need, going by these. `program`: bytes of the process before it held a
  // model.
  MemoryEstimate memory(const std::vector<Shown>& shown, int64_t program) const;
  // Seconds of one step: its products, at the speed that is measured now.
  double seconds_of_step(const std::vector<Shown>& shown) const;
  int64_t steps() const { return steps_; }
  int64_t trainable_count() const;
  const std::vector<Trainable>& trainables() const { return learner_->trainables(); }

  // To the end, or until any process is cancelled; the first process saves to `checkpoints` as the
  // stage says, and then. Resumes from there, where a checkpoint of the same recipe and data lies,
  // also with another number of processes. Throws UsageError for one of another recipe or other
  // data, naming what differs, and in the first step for weights that no gradient reaches;
  // InputError when more samples are broken than the stage allows; ModelError for a loss that is no
  // number, naming step and samples: weights are as they were before that step. True: it came to
  // its end, and the weights are the stage's result (the running mean, where it asks for one).
  bool run(const std::filesystem::path& checkpoints, const StageCallbacks& callbacks);

 private:
  StepReport step(int64_t at);
  int64_t batches_of_step() const;
  void learn(int64_t at, StepReport& report);
  void micro_step(double scale, StepReport& report);
  void average();
  void gauge(StepReport& report) const;
  TrainingState state(int64_t step);
  void restore(const TrainingState& state);
  void check_same_run(const TrainingState& saved) const;
  samples::Share share() const;

  families::Family& family_;
  const recipe::Recipe& recipe_;
  const recipe::Stage& stage_;
  std::shared_ptr<Processes> processes_;
  std::unique_ptr<samples::Mixture> data_;
  std::unique_ptr<Feed> feed_;         // while it runs
  samples::MixturePosition position_;  // of what was learnt from
  std::unique_ptr<FeatureCache> cache_;
  std::unique_ptr<Learner> learner_;
  std::vector<Tensor> means_;  // of the trainables, where the stage keeps one
  Schedule schedule_;
  int64_t steps_ = 0;
  int64_t bad_samples_ = 0;
  int64_t taken_ = 0;  // of the step's batches
  std::vector<double> sums_;
  std::vector<int64_t> counts_;
  const StageCallbacks* callbacks_ = nullptr;
};

}  // namespace isthmus::training
