#include "nn/ops.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "isthmus/error.h"
#include "nn/attention_paths.h"

namespace isthmus::nn {
namespace {

double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  if (a.numel() == 0) return 0;
  return (a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max().item<double>();
}

// Evaluates `f` on the fused path (float32), on the composed path, and in double; all three must
// agree.
void expect_paths_agree(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                        const std::vector<Tensor>& inputs, double tolerance,
                        const std::string& what) {
  torch::NoGradGuard no_grad;
  const Tensor fused = f(inputs);
  std::vector<Tensor> wide;
  for (const Tensor& input : inputs)
    wide.push_back(input.defined() ? input.to(torch::kDouble) : input);
  Tensor composed, reference;
  {
    ops::ComposedOnly composed_only;
    composed = f(inputs);
    reference = f(wide);
  }
  EXPECT_EQ(fused.scalar_type(), torch::kFloat) << what;
  EXPECT_LE(largest_difference(fused, reference), tolerance) << what << ": fused path";
  EXPECT_LE(largest_difference(composed, reference), tolerance) << what << ": composed path";
}

Tensor randn(std::vector<int64_t> sizes, uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randn(sizes);
}

TEST(FusedEnabled, OnlyWithoutGradientsAndUnlessSwitchedOff) {
  EXPECT_FALSE(ops::fused_enabled());
  torch::NoGradGuard no_grad;
  EXPECT_TRUE(ops::fused_enabled());
  {
    ops::ComposedOnly outer;
    { ops::ComposedOnly inner; }
    EXPECT_FALSE(ops::fused_enabled());
  }
  EXPECT_TRUE(ops::fused_enabled());
}

TEST(RowOps, FusedAgreesWithComposed) {
  for (const int64_t dim : {1, 7, 64, 257, 4096}) {
    const std::string size = " dim " + std::to_string(dim);
    const Tensor x = randn({2, 3, dim}, 1) * 2, up = randn({2, 3, dim}, 2),
                 weight = randn({dim}, 3), bias = randn({dim}, 4);
    expect_paths_agree([](const auto& t) { return ops::rms_norm(t[0], t[1], 1e-5); }, {x, weight},
                       1e-5, "rms_norm" + size);
    expect_paths_agree([](const auto& t) { return ops::layer_norm(t[0], t[1], t[2], 1e-5); },
                       {x, weight, bias}, 1e-5, "layer_norm" + size);
    expect_paths_agree([](const auto& t) { return ops::layer_norm(t[0], t[1], {}, 1e-5); },
                       {x, weight}, 1e-5, "layer_norm without bias" + size);
    // What is left of a constant row (dim 1) is rounding, scaled up by 1 / sqrt(eps).
    expect_paths_agree([](const auto& t) { return ops::layer_norm(t[0], {}, {}, 1e-5); }, {x},
                       dim == 1 ? 1e-4 : 1e-5, "layer_norm without parameters" + size);
    expect_paths_agree([](const auto& t) { return ops::silu_mul(t[0], t[1]); }, {x, up}, 3e-6,
                       "silu_mul" + size);
    expect_paths_agree([](const auto& t) { return ops::gelu(t[0]); }, {x}, 2e-6, "gelu" + size);
    expect_paths_agree([](const auto& t) { return ops::gelu_tanh(t[0]); }, {x}, 2e-6,
                       "gelu_tanh" + size);
    expect_paths_agree([](const auto& t) { return ops::quick_gelu(t[0]); }, {x}, 2e-6,
                       "quick_gelu" + size);
  }
}

TEST(RowOps, StridedInputsAndEmptyTensorsAreHandled) {
  const Tensor x = randn({3, 5, 40}, 1).narrow(2, 3, 31), up = randn({5, 3, 31}, 2).transpose(0, 1);
  const Tensor columns = randn({31, 4}, 3).t();  // last dimension not dense
  const Tensor weight = randn({62}, 4).slice(0, 0, 62, 2), bias = randn({31}, 5);
  expect_paths_agree([](const auto& t) { return ops::rms_norm(t[0], t[1], 1e-6); }, {x, weight},
                     1e-5, "rms_norm");
  expect_paths_agree([](const auto& t) { return ops::rms_norm(t[0], t[1], 1e-6); },
                     {columns, weight}, 1e-5, "rms_norm");
  expect_paths_agree([](const auto& t) { return ops::layer_norm(t[0], t[1], t[2], 1e-6); },
                     {x, weight, bias}, 1e-5, "layer_norm");
  expect_paths_agree([](const auto& t) { return ops::silu_mul(t[0], t[1]); }, {x, up}, 2e-6,
                     "silu_mul");
  expect_paths_agree([](const auto& t) { return ops::gelu(t[0]); }, {columns}, 2e-6, "gelu");
  expect_paths_agree([](const auto& t) { return ops::rms_norm(t[0], t[1], 1e-6); },
                     {torch::empty({0, 31}), weight}, 0, "no rows");
}

TEST(Rotary, FusedAgreesWithComposedInBothLayouts) {
  for (const int64_t head_dim : {2, 8, 18, 64, 128}) {
    for (const int64_t angle_batch : {1, 2}) {
      const Tensor x = randn({2, 5, 3, head_dim}, 1);
      const Tensor strided = randn({2, 5, 3, 2 * head_dim}, 1).narrow(3, head_dim, head_dim);
      const Tensor angles = randn({angle_batch, 5, head_dim / 2}, 2);
      for (const RotaryLayout layout : {RotaryLayout::kHalves, RotaryLayout::kPairs}) {
        const auto f = [&](const auto& t) { return ops::rotary(t[0], t[1], t[2], layout); };
        expect_paths_agree(f, {x, angles.cos(), angles.sin()}, 2e-6, "rotary");
        expect_paths_agree(f, {strided, angles.cos(), angles.sin()}, 2e-6, "rotary, strided");
      }
    }
  }
}

TEST(Rotary, ElementsBehindTheRotatedOnesStay) {
  for (const int64_t rotary_dims : {2, 4, 10, 20}) {
    const Tensor x = randn({2, 5, 3, 21}, 1), angles = randn({1, 5, rotary_dims / 2}, 2);
    for (const RotaryLayout layout : {RotaryLayout::kHalves, RotaryLayout::kPairs}) {
      const auto f = [&](const auto& t) { return ops::rotary(t[0], t[1], t[2], layout); };
      expect_paths_agree(f, {x, angles.cos(), angles.sin()}, 2e-6, "partial rotary");
      const Tensor y = ops::rotary(x, angles.cos(), angles.sin(), layout);
      EXPECT_TRUE(torch::equal(y.narrow(3, rotary_dims, 21 - rotary_dims),
                               x.narrow(3, rotary_dims, 21 - rotary_dims)));
      EXPECT_LE(largest_difference(
                    y.narrow(3, 0, rotary_dims),
                    ops::rotary(x.narrow(3, 0, rotary_dims), angles.cos(), angles.sin(), layout)),
                0);
    }
  }
}

TEST(Rotary, LayoutsTurnTheElementsTheirNamesSay) {
  const Tensor x = torch::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({1, 1, 1, 4});
  const Tensor cos = torch::zeros({1, 1, 2}), sin = torch::ones({1, 1, 2});  // a quarter turn
  const Tensor halves = ops::rotary(x, cos, sin, RotaryLayout::kHalves);
  const Tensor pairs = ops::rotary(x, cos, sin, RotaryLayout::kPairs);
  EXPECT_TRUE(halves.flatten().equal(torch::tensor({-3.0f, -4.0f, 1.0f, 2.0f})));
  EXPECT_TRUE(pairs.flatten().equal(torch::tensor({-2.0f, 1.0f, -4.0f, 3.0f})));
}

struct AttentionCase {
  int64_t batch, heads, kv_heads, query_length, key_length, head_dim;
  AttentionMask mask;
  const char* what;
};

// Slopes of eight heads as ALiBi has them; a case with fewer heads takes the first, the steepest.
constexpr float kSlopes[] = {0.5f,     0.25f,     0.125f,     0.0625f,
                             0.03125f, 0.015625f, 0.0078125f, 0.00390625f};
std::span<const float> slopes(size_t heads) { return std::span(kSlopes).first(heads); }

std::vector<AttentionCase> attention_cases() {
  return {
      {1, 1, 1, 1, 1, 8, {}, "one of everything"},
      {2, 3, 3, 5, 7, 16, {}, "small, full"},
      {1, 2, 2, 130, 130, 64, {true, 0, {}}, "causal prefill"},
      {1, 2, 1, 100, 300, 40, {true, 0, {}}, "causal continuation"},
      {2, 4, 2, 33, 65, 24, {true, 0, {{3, 60}, {0, 65}}}, "causal, padded, grouped"},
      {2, 4, 1, 70, 70, 20, {false, 0, {{10, 70}, {0, 1}}}, "padded, multi-query"},
      {1, 2, 2, 200, 200, 32, {true, 17, {}}, "sliding window"},
      {2, 8, 2, 1, 77, 128, {true, 0, {{5, 77}, {0, 77}}}, "decode, padded, grouped"},
      {1, 8, 8, 1, 1000, 64, {true, 100, {}}, "decode, window"},
      {1, 32, 4, 1, 641, 64, {true, 0, {}}, "decode, grouped"},
      {1, 4, 4, 3, 50, 16, {true, 0, {}}, "a few rows"},
      {2, 2, 2, 9, 9, 16, {true, 0, {{4, 9}, {9, 9}}}, "rows that see nothing"},
      {1, 2, 2, 1, 9, 16, {true, 0, {{4, 4}}}, "decode that sees nothing"},
      {1, 2, 2, 6, 4, 16, {true, 0, {}}, "more queries than keys"},
      {1, 2, 2, 577, 577, 64, {}, "CLIP"},
      {1, 8, 8, 130, 130, 64, {true, 0, {}, slopes(8)}, "ALiBi prefill"},
      {1, 4, 2, 100, 300, 40, {true, 0, {}, slopes(4)}, "ALiBi continuation, grouped"},
      {2, 3, 3, 33, 65, 14, {true, 0, {{3, 65}, {40, 65}}, slopes(3)}, "ALiBi, left padding"},
      {2, 4, 4, 70, 70, 20, {true, 0, {{0, 70}, {0, 9}}, slopes(4)}, "ALiBi, right padding"},
      {1, 2, 2, 200, 200, 32, {true, 17, {}, slopes(2)}, "ALiBi, sliding window"},
      {2, 2, 2, 30, 30, 16, {false, 0, {{4, 30}, {0, 30}}, slopes(2)}, "ALiBi, not causal"},
      {2, 8, 8, 1, 77, 128, {true, 0, {{5, 77}, {0, 77}}, slopes(8)}, "ALiBi decode, padded"},
      {1, 8, 2, 1, 1000, 64, {true, 0, {}, slopes(8)}, "ALiBi decode, grouped, in chunks"},
      {1, 4, 4, 3, 50, 16, {true, 0, {}, slopes(4)}, "ALiBi, a few rows"},
      {1, 2, 2, 1, 9, 16, {true, 0, {{4, 4}}, slopes(2)}, "ALiBi decode that sees nothing"},
      {1, 2, 2, 3, 0, 16, {}, "no keys"},
      {1, 2, 2, 0, 5, 16, {}, "no queries"},
  };
}

TEST(Attention, FusedAgreesWithComposed) {
  for (const AttentionCase& c : attention_cases()) {
    const Tensor query = randn({c.batch, c.query_length, c.heads, c.head_dim}, 1);
    const Tensor key = randn({c.batch, c.kv_heads, c.key_length, c.head_dim}, 2);
    const Tensor value = randn({c.batch, c.kv_heads, c.key_length, c.head_dim}, 3);
    const double scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
    expect_paths_agree(
        [&](const auto& t) { return ops::attention(t[0], t[1], t[2], scale, c.mask); },
        {query, key, value}, 3e-6, c.what);
  }
}

// Two queries over three keys, by hand: the scores are 0, so the weights are those of the slope.
TEST(Attention, SlopesAreCountedFromTheQuery) {
  const Tensor query = torch::zeros({1, 2, 2, 4}), key = randn({1, 2, 3, 4}, 1);
  const Tensor value = torch::eye(4).narrow(0, 0, 3).expand({1, 2, 3, 4});  // shows the weights
  const AttentionMask mask{true, 0, {}, slopes(2)};
  const auto f = [&](const auto& t) { return ops::attention(t[0], t[1], t[2], 1, mask); };
  expect_paths_agree(f, {query, key, value}, 1e-6, "by hand");
  const Tensor out = f(std::vector<Tensor>{query, key, value});
  for (int64_t head = 0; head < 2; ++head) {
    const double step = std::exp(-static_cast<double>(kSlopes[head]));
    const double first = step / (1 + step), last = 1 / (1 + step + step * step);
    EXPECT_NEAR(out[0][0][head][0].item<float>(), first, 1e-6);
    EXPECT_NEAR(out[0][1][head][2].item<float>(), last, 1e-6);
    EXPECT_NEAR(out[0][1][head][0].item<float>(), last * step * step, 1e-6);
  }
}

TEST(Attention, StridedInputsAreHandled) {
  const Tensor qkv =
      randn({2, 50, 3, 4, 32}, 1);  // a fused projection: [batch, seq, q | k | v, heads, head_dim]
  const Tensor cache = randn({2, 4, 90, 32}, 2);  // a cache longer than what is filled
  const auto f = [](const auto& t) { return ops::attention(t[0], t[1], t[2], 0.2, {true, 0, {}}); };
  expect_paths_agree(
      f, {qkv.select(2, 0), qkv.select(2, 1).transpose(1, 2), qkv.select(2, 2).transpose(1, 2)},
      3e-6, "fused projection");
  expect_paths_agree(f, {qkv.select(2, 0), cache.narrow(2, 0, 60), cache.narrow(2, 20, 60)}, 3e-6,
                     "cache");
  expect_paths_agree(
      f, {qkv.select(2, 0).narrow(1, 0, 1), cache.narrow(2, 0, 60), cache.narrow(2, 20, 60)}, 3e-6,
      "cache, decode");
  const Tensor column_major = randn({2, 4, 32, 60}, 3).transpose(2, 3);  // last dimension not dense
  expect_paths_agree(f, {qkv.select(2, 0), column_major, column_major}, 3e-6, "column-major");
}

TEST(Attention, ARowThatSeesNothingIsExactlyZeroAndItsGradientIsFinite) {
  const AttentionMask mask{true, 0, {{2, 4}}};
  Tensor query = randn({1, 4, 2, 8}, 1).requires_grad_();
  Tensor key = randn({1, 2, 4, 8}, 2).requires_grad_(),
         value = randn({1, 2, 4, 8}, 3).requires_grad_();
  const Tensor composed = ops::attention(query, key, value, 0.3, mask);
  EXPECT_TRUE(composed.narrow(1, 0, 2).eq(0).all().item<bool>());
  composed.sum().backward();
  for (const Tensor& input : {query, key, value})
    EXPECT_TRUE(input.grad().isfinite().all().item<bool>());
  torch::NoGradGuard no_grad;
  EXPECT_TRUE(
      ops::attention(query, key, value, 0.3, mask).narrow(1, 0, 2).eq(0).all().item<bool>());
}

// Central differences of sum(f(x) * probe) in double against autograd.
void expect_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                      std::vector<Tensor> inputs) {
  for (Tensor& input : inputs) input = input.to(torch::kDouble).requires_grad_();
  const Tensor y = f(inputs);
  const Tensor probe = torch::linspace(-1, 1, y.numel(), torch::kDouble).view(y.sizes());
  (y * probe).sum().backward();
  torch::NoGradGuard no_grad;
  for (Tensor& input : inputs) {
    Tensor flat = input.view(-1);
    const Tensor gradient = input.grad().reshape(-1);
    for (int64_t i = 0; i < flat.numel(); ++i) {
      constexpr double kStep = 1e-5;
      const double before = flat[i].item<double>();
      flat[i] = before + kStep;
      const double above = (f(inputs) * probe).sum().item<double>();
      flat[i] = before - kStep;
      const double below = (f(inputs) * probe).sum().item<double>();
      flat[i] = before;
      EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * kStep), 1e-8) << i;
    }
  }
}

TEST(Gradients, FlowThroughTheComposedPath) {
  expect_gradients([](const auto& t) { return ops::rms_norm(t[0], t[1], 1e-5); },
                   {randn({3, 7}, 1), randn({7}, 2)});
  expect_gradients([](const auto& t) { return ops::layer_norm(t[0], t[1], t[2], 1e-5); },
                   {randn({3, 7}, 1), randn({7}, 2), randn({7}, 3)});
  expect_gradients([](const auto& t) { return ops::silu_mul(t[0], t[1]); },
                   {randn({3, 4}, 1), randn({3, 4}, 2)});
  expect_gradients([](const auto& t) { return ops::quick_gelu(t[0]); }, {randn({3, 4}, 1)});
  expect_gradients([](const auto& t) { return ops::gelu(t[0]); }, {randn({3, 4}, 1)});
  const Tensor angles = randn({1, 3, 3}, 4);
  for (const RotaryLayout layout : {RotaryLayout::kHalves, RotaryLayout::kPairs})
    expect_gradients(
        [&](const auto& t) { return ops::rotary(t[0], angles.cos(), angles.sin(), layout); },
        {randn({1, 3, 2, 8}, 1)});
  expect_gradients(
      [](const auto& t) {
        return ops::attention(t[0], t[1], t[2], 0.5, {true, 0, {{1, 4}}});
      },
      {randn({1, 3, 4, 2}, 1), randn({1, 2, 4, 2}, 2), randn({1, 2, 4, 2}, 3)});
  expect_gradients(
      [](const auto& t) {
        return ops::attention(t[0], t[1], t[2], 0.5, {true, 0, {{1, 4}}, slopes(4)});
      },
      {randn({1, 3, 4, 2}, 1), randn({1, 2, 4, 2}, 2), randn({1, 2, 4, 2}, 3)});
}

// Gradients of sum(f(x) · probe) on the recorded path, float32, against the composed path in
// double.
void expect_recorded(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                     const std::vector<Tensor>& inputs, double tolerance, const std::string& what) {
  std::vector<Tensor> narrow, wide;
  for (const Tensor& input : inputs) {
    narrow.push_back(input.detach().requires_grad_());
    wide.push_back(input.detach().to(torch::kDouble).requires_grad_());
  }
  const Tensor found = f(narrow), probe = randn(found.sizes().vec(), 99);
  (found * probe).sum().backward();
  {
    const ops::ComposedOnly composed_only;
    const Tensor want = f(wide);
    EXPECT_LE(largest_difference(found, want), tolerance) << what;
    (want * probe.to(torch::kDouble)).sum().backward();
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(narrow[i].grad().defined()) << what << ": input " << i;
    EXPECT_LE(largest_difference(narrow[i].grad(), wide[i].grad()), tolerance)
        << what << ": gradient of input " << i;
  }
}

// float32 sums of up to a few hundred terms near one.
constexpr double kRecordedTolerance = 2e-5;

TEST(Recorded, RowOpsHaveTheGradientsOfTheComposedPath) {
  for (const int64_t dim : {7, 64, 257}) {
    const std::string size = " dim " + std::to_string(dim);
    const Tensor x = randn({2, 30, dim}, 1), up = randn({2, 30, dim}, 2), weight = randn({dim}, 3),
                 bias = randn({dim}, 4);
    expect_recorded([](const auto& t) { return ops::rms_norm(t[0], t[1], 1e-5); }, {x, weight},
                    kRecordedTolerance, "rms_norm" + size);
    expect_recorded([](const auto& t) { return ops::layer_norm(t[0], t[1], t[2], 1e-5); },
                    {x, weight, bias}, kRecordedTolerance, "layer_norm" + size);
    expect_recorded([](const auto& t) { return ops::layer_norm(t[0], t[1], {}, 1e-5); },
                    {x, weight}, kRecordedTolerance, "layer_norm without bias" + size);
    expect_recorded([](const auto& t) { return ops::silu_mul(t[0], t[1]); }, {x, up},
                    kRecordedTolerance, "silu_mul" + size);
    expect_recorded([](const auto& t) { return ops::gelu(t[0]); }, {x}, kRecordedTolerance,
                    "gelu" + size);
    expect_recorded([](const auto& t) { return ops::gelu_tanh(t[0]); }, {x}, kRecordedTolerance,
                    "gelu_tanh" + size);
    expect_recorded([](const auto& t) { return ops::quick_gelu(t[0]); }, {x}, kRecordedTolerance,
                    "quick_gelu" + size);
    expect_recorded([](const auto& t) { return ops::rms_norm(t[0].transpose(0, 1), t[1], 1e-5); },
                    {x, weight}, kRecordedTolerance, "rms_norm, strided" + size);
  }
}

TEST(Recorded, RotaryTurnsItsGradientBack) {
  const Tensor x = randn({2, 5, 3, 20}, 1);
  for (const int64_t angle_batch : {1, 2}) {
    const Tensor angles = randn({angle_batch, 5, 8}, 2), cos = angles.cos(), sin = angles.sin();
    for (const RotaryLayout layout : {RotaryLayout::kHalves, RotaryLayout::kPairs})
      expect_recorded(
          [&](const auto& t) {
            const auto type = t[0].scalar_type();
            return ops::rotary(t[0], cos.to(type), sin.to(type), layout);
          },
          {x}, kRecordedTolerance, "rotary");
  }
}

TEST(Recorded, AttentionHasTheGradientsOfTheComposedPath) {
  for (const AttentionCase& c : attention_cases()) {
    const Tensor query = randn({c.batch, c.query_length, c.heads, c.head_dim}, 1);
    const Tensor key = randn({c.batch, c.key_length, c.kv_heads, c.head_dim}, 2);
    const Tensor value = randn({c.batch, c.key_length, c.kv_heads, c.head_dim}, 3);
    const double scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
    if (c.key_length == 0) continue;  // nothing to differentiate
    expect_recorded(
        [&](const auto& t) {
          return ops::attention(t[0], t[1].transpose(1, 2), t[2].transpose(1, 2), scale, c.mask);
        },
        {query, key, value}, kRecordedTolerance, c.what);
  }
}

TEST(Recorded, FrozenParametersGetNoGradient) {
  const Tensor x = randn({3, 16}, 1).requires_grad_(), weight = randn({16}, 2);
  ops::rms_norm(x, weight, 1e-5).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_FALSE(ops::rms_norm(x.detach(), weight, 1e-5).requires_grad());
}

TEST(Recorded, SecondDerivativesAreRefused) {
  const Tensor x = randn({3, 16}, 1).requires_grad_(), weight = randn({16}, 2);
  const Tensor y = ops::rms_norm(x, weight, 1e-5).sum();
  EXPECT_THROW(y.backward({}, /*retain_graph=*/true, /*create_graph=*/true), UnsupportedError);
}

}  // namespace
}  // namespace isthmus::nn
