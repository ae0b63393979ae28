#include <cmath>

#include <ATen/Parallel.h>

#include "training/optimizer.h"
#include "training/state_table.h"

namespace isthmus::training {
namespace {

constexpr int64_t kNumbersPerTask = 32 * 1024;

struct Coefficients {
  float decay;         // 1 - lr λ
  float keep1, keep2;  // 1 - β₁, 1 - β₂
  float beta2;
  float step_size, root2, eps;  // lr / (1 - β₁ᵗ), √(1 - β₂ᵗ)
};

// One pass over everything that belongs to a weight.
void update(float* w, const float* g, float* m, float* v, int64_t count, const Coefficients& c) {
  at::parallel_for(0, count, kNumbersPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float gradient = g[i];
      m[i] = m[i] + c.keep1 * (gradient - m[i]);
      v[i] = v[i] * c.beta2 + c.keep2 * gradient * gradient;
      const float denominator = std::sqrt(v[i]) / c.root2 + c.eps;
      w[i] = w[i] * c.decay - c.step_size * (m[i] / denominator);
    }
  });
}

class AdamW final : public Optimizer {
 public:
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options)
      : Optimizer(std::move(groups)), options_(options) {}

  void step(const std::vector<double>& rates) override {
    const torch::NoGradGuard no_gradient;
    for (size_t g = 0; g < groups_.size(); ++g)
      for (const Trainable& trainable : groups_[g].members)
        if (trainable.value.grad().defined()) step(trainable, rates.at(g), groups_[g].weight_decay);
  }

  std::vector<std::pair<std::string, Tensor>> state() const override { return table_.entries(); }
  void load_state(const std::vector<std::pair<std::string, Tensor>>& state) override {
    table_.load(state, trainables(), {"step"});
  }

 private:
  void step(const Trainable& trainable, double rate, double weight_decay) {
    auto& kept = table_.of(trainable);
    if (!kept[0].defined()) {
      kept[0] = torch::zeros({1}, torch::kFloat);
      kept[1] = torch::zeros_like(trainable.value);
      kept[2] = torch::zeros_like(trainable.value);
    }
    kept[0] += 1;
    const double t = kept[0].item<double>();
    const Coefficients c{
        static_cast<float>(1 - rate * weight_decay),
        static_cast<float>(1 - options_.beta1),
        static_cast<float>(1 - options_.beta2),
        static_cast<float>(options_.beta2),
        static_cast<float>(rate / (1 - std::pow(options_.beta1, t))),
        static_cast<float>(std::sqrt(1 - std::pow(options_.beta2, t))),
        static_cast<float>(options_.eps),
    };
    const Tensor gradient = trainable.value.grad().contiguous();
    update(trainable.value.data_ptr<float>(), gradient.data_ptr<float>(), kept[1].data_ptr<float>(),
           kept[2].data_ptr<float>(), trainable.value.numel(), c);
  }

  AdamWOptions options_;
  StateTable table_{{"step", "exp_avg", "exp_avg_sq"}};
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const AdamWOptions& options) {
  return std::make_unique<AdamW>(std::move(groups), options);
}

}  // namespace isthmus::training
