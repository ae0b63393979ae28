#include "training/stage_setup.h"

#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/low_rank.h"
#include "weights/storage_policy.h"

namespace isthmus::training {
namespace {

Decay decay_of(const std::string& word) {
  return word == "cosine" ? Decay::kCosine : word == "linear" ? Decay::kLinear : Decay::kConstant;
}

}  // namespace

std::vector<Trainable> open_weights(torch::nn::Module& modules, const recipe::Stage& stage) {
  std::vector<TrainablePattern> patterns;
  for (const recipe::Pattern& pattern : stage.trainable)
    patterns.push_back({pattern.match, pattern.rows});
  if (stage.lora.rank > 0) {
    add_low_rank(modules, stage.lora, stage.seed);
    for (const char* factor : {"*.lora_A.weight", "*.lora_B.weight"})
      patterns.push_back({factor, {}});
  }
  return make_trainable(modules, patterns);
}

bool moved_by_muon(const Trainable& trainable) {
  return trainable.value.dim() == 2 && trainable.name.find("embed") == std::string::npos &&
         trainable.name.find("lm_head") == std::string::npos;
}

std::vector<std::unique_ptr<Optimizer>> make_optimizers(const recipe::Stage& stage,
                                                        const std::vector<Trainable>& trainables,
                                                        const std::vector<bool>& mine) {
  std::vector<ParameterGroup> groups;
  for (const recipe::Group& group : stage.groups)
    groups.push_back({group.match, {}, group.rate, group.weight_decay});
  std::vector<std::string> left;
  for (size_t i = 0; i < trainables.size(); ++i) {
    const Trainable& trainable = trainables[i];
    size_t g = 0;
    while (g < groups.size() && !weights::matches_glob(stage.groups[g].match, trainable.name)) ++g;
    if (g == groups.size())
      left.push_back(trainable.name);
    else if (mine[i])
      groups[g].members.push_back(trainable);
  }
  if (!left.empty())
    throw UsageError(fmt::format("stage {}: no group takes {} (of {} weights that learn)",
                                 stage.name, left.front(), left.size()));

  const recipe::OptimizerChoice& choice = stage.optimizer;
  std::vector<std::unique_ptr<Optimizer>> optimizers;
  if (choice.kind == "adamw") {
    optimizers.push_back(make_adamw(std::move(groups), {choice.beta1, choice.beta2, choice.eps}));
    return optimizers;
  }
  // Each at the rates of its group.
  std::vector<ParameterGroup> matrices = groups, others = groups;
  for (size_t g = 0; g < groups.size(); ++g) {
    std::erase_if(matrices[g].members, [&](const Trainable& t) { return !moved_by_muon(t); });
    std::erase_if(others[g].members, moved_by_muon);
  }
  optimizers.push_back(make_muon(std::move(matrices), {choice.momentum}));
  optimizers.push_back(make_adamw(std::move(others), {choice.beta1, choice.beta2, choice.eps}));
  return optimizers;
}

Schedule make_schedule(const recipe::Stage& stage, int64_t steps) {
  const auto count = static_cast<double>(steps);
  const recipe::ScheduleChoice& choice = stage.schedule;
  return {decay_of(choice.decay),
          choice.warmup_ratio > 0 ? std::ceil(count * choice.warmup_ratio) : choice.warmup_steps,
          count, choice.min_rate};
}

}  // namespace isthmus::training
