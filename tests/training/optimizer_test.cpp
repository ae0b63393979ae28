#include "training/optimizer.h"

#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/optim/adamw.h>

#include "isthmus/error.h"
#include "training/schedule.h"

namespace isthmus::training {
namespace {

Trainable weight(const std::string& name, const Tensor& value) {
  return {name, value.clone().requires_grad_(), {}};
}

void set_gradient(const Trainable& trainable, const Tensor& gradient) {
  Tensor value = trainable.value;
  value.mutable_grad() = gradient.clone();
}

TEST(AdamW, MovesAsPyTorchDoes) {
  torch::manual_seed(3);
  const Tensor start = torch::randn({70, 33});
  const Trainable own = weight("w", start);
  Tensor other = start.clone().requires_grad_();
  const auto adamw = make_adamw({{"all", {own}, 1e-2, 0.1}}, {0.9, 0.95, 1e-8});
  torch::optim::AdamW reference(
      {other}, torch::optim::AdamWOptions(1e-2).betas({0.9, 0.95}).eps(1e-8).weight_decay(0.1));
  for (int step = 0; step < 6; ++step) {
    const Tensor gradient = torch::randn({70, 33});
    set_gradient(own, gradient);
    other.mutable_grad() = gradient.clone();
    adamw->step({1e-2});
    reference.step();
    EXPECT_LT((own.value - other).abs().max().item<double>(), 1e-6) << step;
  }
}

TEST(AdamW, ResumesExactlyAndSkipsWeightsWithoutGradient) {
  const auto run = [](bool interrupted) {
    torch::manual_seed(5);
    const Trainable a = weight("a", torch::randn({8, 8})), b = weight("b", torch::randn({4}));
    const Tensor untouched = b.value.detach().clone();
    auto adamw = make_adamw({{"all", {a, b}, 1e-2, 0.1}}, {});
    for (int step = 0; step < 5; ++step) {
      if (interrupted && step == 3) {
        const auto state = adamw->state();
        adamw = make_adamw({{"all", {a, b}, 1e-2, 0.1}}, {});
        adamw->load_state(state);
      }
      set_gradient(a, torch::randn({8, 8}));
      adamw->step({1e-2});
    }
    EXPECT_TRUE(torch::equal(b.value, untouched));
    return a.value.detach().clone();
  };
  EXPECT_TRUE(torch::equal(run(false), run(true)));
}

TEST(AdamW, StateOfOtherWeightsIsRefused) {
  const auto adamw = make_adamw({{"all", {weight("a", torch::randn({2}))}, 1, 0}}, {});
  EXPECT_THROW(adamw->load_state({{"exp_avg.c", torch::zeros({2})}}), ModelError);
  EXPECT_THROW(adamw->load_state({{"exp_avg.a", torch::zeros({3})}}), ModelError);
  EXPECT_THROW(adamw->load_state({{"nothing", torch::zeros({3})}}), ModelError);
}

TEST(Muon, UpdatesAreNearlyOrthogonal) {
  torch::manual_seed(1);
  for (const auto& [rows, cols] : {std::pair{24, 24}, {40, 16}, {16, 40}}) {
    const Trainable own = weight("w", torch::zeros({rows, cols}));
    const auto muon = make_muon({{"all", {own}, 1, 0}}, {});
    set_gradient(own, torch::randn({rows, cols}));
    muon->step({1});
    const double shape = std::sqrt(std::max(1.0, static_cast<double>(rows) / cols));
    const Tensor singular = std::get<1>(torch::svd(own.value.detach() / shape, true, false));
    EXPECT_GT(singular.min().item<double>(), 0.3);
    EXPECT_LT(singular.max().item<double>(), 1.3);
  }
  EXPECT_THROW(make_muon({{"all", {weight("norm", torch::zeros({3}))}, 1, 0}}, {}), UsageError);
}

TEST(Schedule, FollowsTheThreeFamilies) {
  const Schedule llava{Decay::kCosine, 2, 5};
  EXPECT_EQ(learning_rate(llava, 2e-5, 0), 0);
  EXPECT_DOUBLE_EQ(learning_rate(llava, 2e-5, 1), 1e-5);
  EXPECT_DOUBLE_EQ(learning_rate(llava, 2e-5, 2), 2e-5);
  EXPECT_NEAR(learning_rate(llava, 2e-5, 3), 1.5e-5, 1e-18);
  const Schedule flamingo{Decay::kConstant, 4};
  EXPECT_DOUBLE_EQ(learning_rate(flamingo, 1e-4, 1), 2.5e-5);
  EXPECT_DOUBLE_EQ(learning_rate(flamingo, 1e-4, 1000), 1e-4);
  const Schedule one_llm{Decay::kCosine, 2, 8, 0.0002};
  EXPECT_DOUBLE_EQ(learning_rate(one_llm, 0.002, 3), 0.001879422863405995);
  EXPECT_DOUBLE_EQ(learning_rate(one_llm, 0.002, 9), 0.0002);
}

}  // namespace
}  // namespace isthmus::training
