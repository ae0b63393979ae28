// Gradient checkpointing: the same gradients, with nothing kept but what enters.
#include "nn/recomputed.h"

#include <gtest/gtest.h>

namespace isthmus::nn {
namespace {

struct RecomputedCase {
  Tensor x = torch::randn({3, 4}, torch::requires_grad());
  Tensor w = torch::randn({4, 4}, torch::requires_grad());
  int calls = 0;
  Tensor operator()(const Tensor& in) {
    ++calls;
    return torch::dropout(torch::tanh(in.mm(w)), 0.5, /*train=*/true).mm(w);
  }
};

TEST(Recomputed, GradientsAreTheSameBits) {
  torch::manual_seed(1);
  RecomputedCase plain;
  torch::manual_seed(2);
  plain(plain.x).square().sum().backward();
  const Tensor next = torch::rand({2});

  RecomputedCase again;
  again.x = plain.x.detach().clone().requires_grad_();
  again.w = plain.w.detach().clone().requires_grad_();
  torch::manual_seed(2);
  const Tensor y = recomputed([&](const Tensor& in) { return again(in); }, again.x);
  EXPECT_EQ(again.calls, 1);
  y.square().sum().backward();
  EXPECT_EQ(again.calls, 2);
  EXPECT_TRUE(torch::equal(plain.x.grad(), again.x.grad()));
  EXPECT_TRUE(torch::equal(plain.w.grad(), again.w.grad()));
  // What is drawn afterwards does not notice.
  EXPECT_TRUE(torch::equal(next, torch::rand({2})));
}

TEST(Recomputed, ParametersLearnWhereTheInputDoesNot) {
  RecomputedCase frozen;
  const Tensor x = frozen.x.detach();
  recomputed([&](const Tensor& in) { return frozen(in); }, x).sum().backward();
  EXPECT_EQ(frozen.calls, 2);
  EXPECT_TRUE(frozen.w.grad().defined());
  EXPECT_FALSE(x.grad().defined());
}

}  // namespace
}  // namespace isthmus::nn
