#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/optimizer.h"
#include "training/state_table.h"

namespace isthmus::training {
namespace {

// The nearest matrix with singular values about 1: an odd polynomial of the matrix, a few times.
Tensor orthogonalised(const Tensor& update, int64_t steps) {
  constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
  const bool tall = update.size(0) > update.size(1);
  Tensor x = tall ? update.t() : update;
  x = x / (x.norm() + 1e-7);
  for (int64_t i = 0; i < steps; ++i) {
    const Tensor gram = torch::matmul(x, x.t());
    x = kA * x + torch::matmul(kB * gram + kC * torch::matmul(gram, gram), x);
  }
  return tall ? x.t() : x;
}

class Muon final : public Optimizer {
 public:
  Muon(std::vector<ParameterGroup> groups, const MuonOptions& options)
      : Optimizer(std::move(groups)), options_(options) {
    for (const Trainable& trainable : trainables())
      if (trainable.value.dim() != 2)
        throw UsageError(fmt::format("muon: {} has {} dimensions; it moves matrices only",
                                     trainable.name, trainable.value.dim()));
  }

  void step(const std::vector<double>& rates) override {
    const torch::NoGradGuard no_gradient;
    for (size_t g = 0; g < groups_.size(); ++g)
      for (const Trainable& trainable : groups_[g].members) {
        const Tensor& gradient = trainable.value.grad();
        if (!gradient.defined()) continue;
        Tensor& momentum = table_.of(trainable)[0];
        if (!momentum.defined()) momentum = torch::zeros_like(gradient);
        momentum.mul_(options_.momentum).add_(gradient);
        const Tensor update =
            orthogonalised(gradient + options_.momentum * momentum, options_.newton_schulz_steps);
        const double shape = std::sqrt(std::max(
            1.0, static_cast<double>(gradient.size(0)) / static_cast<double>(gradient.size(1))));
        Tensor value = trainable.value;
        value.mul_(1 - rates.at(g) * groups_[g].weight_decay).sub_(update, rates.at(g) * shape);
      }
  }

  std::vector<std::pair<std::string, Tensor>> state() const override { return table_.entries(); }
  void load_state(const std::vector<std::pair<std::string, Tensor>>& state) override {
    table_.load(state, trainables(), {});
  }

 private:
  MuonOptions options_;
  StateTable table_{{"momentum"}};
};

}  // namespace

std::unique_ptr<Optimizer> make_muon(std::vector<ParameterGroup> groups,
                                     const MuonOptions& options) {
  return std::make_unique<Muon>(std::move(groups), options);
}

}  // namespace isthmus::training
