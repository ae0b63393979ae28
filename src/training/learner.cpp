#include "training/learner.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "training/forward.h"

namespace isthmus::training {
namespace {

std::vector<Trainable> members_of(const std::vector<std::unique_ptr<Optimizer>>& optimizers) {
  std::vector<Trainable> all;
  for (const auto& optimizer : optimizers) {
    const auto own = optimizer->trainables();
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

}  // namespace

Learner::Learner(families::Family& family, std::vector<std::unique_ptr<Optimizer>> optimizers,
                 std::vector<Trainable> all, const LearnerOptions& options,
                 std::shared_ptr<Processes> processes)
    : family_(family),
      optimizers_(std::move(optimizers)),
      trainables_(std::move(all)),
      options_(options),
      processes_(std::move(processes)) {}

Learner::Learner(families::Family& family, std::vector<std::unique_ptr<Optimizer>> optimizers,
                 const LearnerOptions& options)
    : Learner(family, std::move(optimizers), {}, options, Processes::alone()) {
  trainables_ = members_of(optimizers_);
}

TokenLoss Learner::loss(std::span<const families::Example> batch) {
  // All media of the batch go through encoder and aligner together.
  const Forwarded found = forward(family_, batch, encode(family_, batch, cache_),
                                  {.rows = Rows::kFromFirstPrediction,
                                   .gradient_checkpointing = options_.gradient_checkpointing});
  return token_loss(family_.language_model(), found.hidden, found.labels, found.weights);
}

MicroStep Learner::accumulate(std::span<const families::Example> batch, double scale) {
  const torch::AutoGradMode recording(true);
  if (std::exchange(joined_, false) && !processes_->is_first())
    drop_gradients();  // what all have together counts once
  TokenLoss found;
  if (!batch.empty()) found = loss(batch);
  double sum = found.mean.defined() ? found.mean.item<double>() * found.weight : 0;
  double weight = found.weight;
  auto targets = static_cast<double>(found.num_targets);
  if (processes_->world() > 1) {
    const Tensor all = torch::tensor({sum, weight, targets}, torch::kDouble);
    processes_->add_up(std::span(&all, 1));
    sum = all[0].item<double>(), weight = all[1].item<double>(), targets = all[2].item<double>();
  }
  if (targets == 0) return {};
  if (found.mean.defined()) (found.mean * (scale * found.weight / weight)).backward();
  return {sum / weight, static_cast<int64_t>(targets)};
}

// Of all processes, where any has one.
void Learner::join_gradients() {
  if (processes_->world() == 1 || joined_) return;
  const torch::NoGradGuard no_gradient;
  Tensor present = torch::zeros({static_cast<int64_t>(trainables_.size())});
  for (size_t i = 0; i < trainables_.size(); ++i)
    if (trainables_[i].value.grad().defined()) present[static_cast<int64_t>(i)] = 1;
  processes_->add_up(std::span(&present, 1));
  std::vector<Tensor> gradients;
  for (size_t i = 0; i < trainables_.size(); ++i) {
    if (present[static_cast<int64_t>(i)].item<float>() == 0) continue;
    Tensor& gradient = trainables_[i].value.mutable_grad();
    if (!gradient.defined()) gradient = torch::zeros_like(trainables_[i].value);
    gradients.push_back(gradient);
  }
  processes_->add_up(gradients);
  joined_ = true;
}

double Learner::finish_micro_step() {
  if (options_.clips_every_micro_step) join_gradients();
  mask_gradients(trainables_);
  const double norm = gradient_norm(trainables_);
  if (options_.clips_every_micro_step && options_.clip_norm > 0)
    clip_gradients(trainables_, norm, options_.clip_norm);
  return norm;
}

double Learner::step(const std::vector<double>& rates) {
  join_gradients();
  mask_gradients(trainables_);
  const double norm = gradient_norm(trainables_);
  if (std::isfinite(norm)) {
    if (!options_.clips_every_micro_step && options_.clip_norm > 0)
      clip_gradients(trainables_, norm, options_.clip_norm);
    auto rate = rates.begin();
    for (const auto& optimizer : optimizers_) {
      const auto own = static_cast<std::ptrdiff_t>(optimizer->groups().size());
      optimizer->step(std::vector<double>(rate, rate + own));
      rate += own;
    }
    share_weights();
  }
  drop_gradients();
  joined_ = false;
  return norm;
}

void Learner::share_weights() {
  if (processes_->world() == 1) return;
  const auto owners = owners_of(trainables_, processes_->world());
  for (int64_t rank = 0; rank < processes_->world(); ++rank) {
    std::vector<Tensor> own;
    for (size_t i = 0; i < trainables_.size(); ++i)
      if (owners[i] == rank) own.push_back(trainables_[i].value.detach());
    processes_->hand_out(own, rank);
  }
}

double Learner::step(double factor) {
  std::vector<double> rates;
  for (const auto& optimizer : optimizers_)
    for (const ParameterGroup& group : optimizer->groups()) rates.push_back(group.rate * factor);
  return step(rates);
}

void Learner::drop_gradients() {
  for (Trainable& trainable : trainables_) trainable.value.mutable_grad() = Tensor();
}

std::vector<int64_t> owners_of(std::span<const Trainable> trainables, int64_t world) {
  std::vector<size_t> order(trainables.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(),
                           [&](size_t i) { return trainables[i].value.numel(); });
  std::vector<int64_t> loads(static_cast<size_t>(world), 0), owners(trainables.size(), 0);
  for (const size_t i : order) {
    const auto least = std::ranges::min_element(loads);
    *least += trainables[i].value.numel();
    owners[i] = least - loads.begin();
  }
  return owners;
}

}  // namespace isthmus::training
