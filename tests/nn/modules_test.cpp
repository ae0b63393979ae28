// Layers that hold weights, the KV cache and rotary angles.
#include <cmath>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "nn/embedding.h"
#include "nn/kv_cache.h"
#include "nn/linear.h"
#include "nn/low_rank.h"
#include "nn/norms.h"
#include "nn/ops.h"
#include "nn/rotary.h"
#include "nn/self_attention.h"

namespace isthmus::nn {
namespace {

double largest(const Tensor& difference) { return difference.abs().max().item<double>(); }

std::shared_ptr<const WeightMatrix> random_matrix(int64_t rows, int64_t cols,
                                                  torch::ScalarType type) {
  return std::make_shared<DenseMatrix>(torch::randn({rows, cols}).to(type));
}

TEST(DenseMatrix, ReadsUnalignedRowsWithGapsInPlace) {
  torch::manual_seed(1);
  for (const auto& [type, dtype] :
       {std::pair{torch::kFloat, DType::kF32}, std::pair{torch::kHalf, DType::kF16},
        std::pair{torch::kBFloat16, DType::kBF16}}) {
    const Tensor values = torch::randn({5, 9}).to(type);  // rows of 9, of which 7 are the matrix
    const auto size = static_cast<size_t>(values.nbytes());
    auto bytes = std::make_shared<std::vector<std::byte>>(size + 1);
    std::memcpy(bytes->data() + 1, values.data_ptr(), size);
    const DenseMatrix matrix({dtype, bytes->data() + 1, 5, 7, 9}, bytes);
    const Tensor want = values.narrow(1, 0, 7).to(torch::kFloat), x = torch::randn({2, 3, 7}),
                 bias = torch::randn({5});
    EXPECT_TRUE(torch::equal(matrix.to_dense(), want));
    EXPECT_TRUE(torch::equal(matrix.gather_rows(torch::tensor({{4, 0}})),
                             want.index_select(0, torch::tensor({4, 0})).unsqueeze(0)));
    EXPECT_EQ(matrix.bytes(), 35 * size_of(dtype));
    const torch::NoGradGuard no_gradient;
    for (const bool composed : {false, true}) {
      std::optional<ops::ComposedOnly> only;
      if (composed) only.emplace();
      EXPECT_LE(largest(matrix.apply(x, bias) - torch::linear(x, want, bias)), 1e-5);
      EXPECT_LE(largest(matrix.apply(x, {}) - torch::linear(x, want)), 1e-5);
      const Tensor dy = torch::randn({4, 5});
      EXPECT_LE(largest(matrix.apply_transposed(dy) - torch::matmul(dy, want)), 1e-5);
      EXPECT_EQ(matrix.apply(torch::empty({0, 7}), bias).sizes(), (std::vector<int64_t>{0, 5}));
    }
    EXPECT_THROW(matrix.gather_rows(torch::tensor({5})), InternalError);
    EXPECT_THROW(matrix.gather_rows(torch::tensor({-1})), InternalError);
  }
}

TEST(Linear, FrozenWeightsPassGradientsOnAndTakeNone) {
  torch::manual_seed(2);
  Linear linear(6, 4);
  EXPECT_THROW(linear(torch::randn({1, 6})), InternalError);  // no weights yet
  linear->set_matrix(random_matrix(4, 6, torch::kBFloat16));
  linear->set_bias(torch::randn({4}));
  const Tensor x = torch::randn({2, 3, 6}).requires_grad_(true), dy = torch::randn({2, 3, 4});
  const Tensor y = linear(x);
  const Tensor dx = torch::autograd::grad({y}, {x}, {dy})[0];
  EXPECT_LE(largest(dx - torch::matmul(dy, linear->matrix()->to_dense())), 1e-5);
  {
    const torch::NoGradGuard no_gradient;
    EXPECT_LE(largest(linear(x) - y), 1e-5);
  }
  // The same numbers once the weights are trainable, now with gradients of their own.
  linear->make_trainable();
  EXPECT_EQ(linear->parameters().size(), 2u);
  const auto gradients = torch::autograd::grad({linear(x)}, {x, linear->parameters()[0]}, {dy});
  EXPECT_LE(largest(gradients[0] - dx), 1e-5);
  EXPECT_TRUE(gradients[1].defined());
}

TEST(Linear, TrainedBiasOfFrozenWeights) {
  Linear linear(6, 4);
  linear->set_matrix(random_matrix(4, 6, torch::kHalf));
  linear->set_bias(torch::zeros({4}));
  const Tensor bias = linear->parameters()[0].requires_grad_(true);
  const Tensor gradient = torch::autograd::grad({linear(torch::randn({5, 6})).sum()}, {bias})[0];
  EXPECT_TRUE(torch::equal(gradient, torch::full({4}, 5.0f)));
}

TEST(Linear, UnmergedLoraEqualsMerged) {
  torch::manual_seed(3);
  Linear linear(8, 5, false);
  linear->set_matrix(random_matrix(5, 8, torch::kFloat));
  const auto a = random_matrix(2, 8, torch::kFloat), b = random_matrix(5, 2, torch::kFloat);
  const Tensor x = torch::randn({3, 8});
  const Tensor merged =
      linear->matrix()->to_dense() + 0.5 * torch::matmul(b->to_dense(), a->to_dense());
  linear->set_lora(a, b, 0.5);
  EXPECT_LE(largest(linear(x) - torch::linear(x, merged)), 1e-5);
  EXPECT_EQ(slots_of(*linear).size(), 3u);
  EXPECT_EQ(slots_of(*linear)[1].name, "lora_A.weight");
  linear->set_lora(a, b, 0.0);  // replaces the branch
  EXPECT_LE(largest(linear(x) - torch::linear(x, linear->matrix()->to_dense())), 1e-6);
}

// Every float16 value and what lies between: the merge has its own rounding, which must be that of
// base.
TEST(LowRank, RoundsAsFloat16Does) {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float exact = half_to_float(static_cast<uint16_t>(bits));
    for (const double factor : {1.0, 1 + 0x1p-11, 1 - 0x1p-11, 1 + 0x1.1p-11, 1 + 0x0.fp-11})
      values.push_back(static_cast<float>(exact * factor));
  }
  const auto count = static_cast<int64_t>(values.size());
  const Tensor a = torch::from_blob(values.data(), {1, count}), one = torch::ones({1, 1});
  const Tensor zero = torch::zeros({1, count});
  const auto sum = add_low_rank(DenseMatrix(zero.to(torch::kHalf)), a, one, 1.0);
  const auto* got = static_cast<const uint16_t*>(sum->stored().data);
  for (int64_t i = 0; i < count; ++i) {
    const float value = values[static_cast<size_t>(i)];
    const float want = half_to_float(float_to_half(value)), is = half_to_float(got[i]);
    if (std::isnan(want))
      EXPECT_TRUE(std::isnan(is));
    else
      ASSERT_EQ(is, want) << value;
  }
}

TEST(LowRank, KeepsTheStorageOfItsBase) {
  torch::manual_seed(4);
  const Tensor base = torch::randn({300, 40}), a = torch::randn({3, 40}),
               b = torch::randn({300, 3});
  const Tensor want = base + 0.7 * torch::matmul(b, a);
  for (const auto& [type, tolerance] :
       {std::pair{torch::kFloat, 1e-5}, std::pair{torch::kHalf, 1e-2},
        std::pair{torch::kBFloat16, 5e-2}}) {
    const auto sum = add_low_rank(DenseMatrix(base.to(type)), a, b, 0.7);
    EXPECT_EQ(sum->dtype(), DenseMatrix(base.to(type)).dtype());
    EXPECT_LE(largest(sum->to_dense() - want), tolerance);
  }
}

TEST(Embedding, TrainableTableGivesTheSameRows) {
  Embedding table(7, 3);
  table->set_matrix(random_matrix(7, 3, torch::kHalf));
  const Tensor ids = torch::tensor({{1, 6}, {0, 1}});
  const Tensor rows = table(ids), hidden = torch::randn({2, 3}), head = table->project(hidden);
  table->make_trainable();
  EXPECT_TRUE(torch::equal(table(ids), rows));
  EXPECT_LE(largest(table->project(hidden) - head), 1e-5);
  EXPECT_TRUE(table(ids).requires_grad());
}

TEST(Slots, AreFoundByPath) {
  SelfAttention attention(SelfAttentionOptions{8, 2, 1, 4});
  EXPECT_NE(find_module(*attention, "q_proj"), nullptr);
  EXPECT_EQ(find_module(*attention, "q_proj.weight"), nullptr);
  EXPECT_EQ(find_module(*attention, "nothing"), nullptr);
  EXPECT_EQ(find_module(*attention, ""), nullptr);
  const auto slots = slots_of(*attention);
  ASSERT_EQ(slots.size(), 4u);
  EXPECT_EQ(slots[1].name, "k_proj.weight");
  EXPECT_EQ(slots[1].shape, (Shape{4, 8}));
  EXPECT_FALSE(slots[1].value().defined());
}

RotaryOptions rope(layout::RopeScaling scaling, double factor) {
  return {.dims = 16,
          .theta = 10000,
          .scaling = scaling,
          .factor = factor,
          .max_position_embeddings = 32};
}

// The formulas in double. Angles reach 100; half an ulp of a float32 angle of 64…128 is 4e-6, and
// the frequency's own rounding adds as much again.
TEST(Rotary, AnglesFollowTheFormulas) {
  const Tensor positions = torch::tensor({{0, 1, 31, 32, 100}});
  const auto expect_angles = [&](const RotaryAngles& got, double base, double divisor) {
    for (int64_t t = 0; t < positions.size(1); ++t) {
      const double p = static_cast<double>(positions[0][t].item<int64_t>()) / divisor;
      for (int64_t i = 0; i < 8; ++i) {
        const double angle = p * std::pow(base, -2.0 * static_cast<double>(i) / 16.0);
        EXPECT_NEAR(got.cos[0][t][i].item<float>(), std::cos(angle), 2e-5);
        EXPECT_NEAR(got.sin[0][t][i].item<float>(), std::sin(angle), 2e-5);
      }
    }
  };
  expect_angles(Rotary(rope(layout::RopeScaling::kNone, 1)).angles(positions, 101), 10000, 1);
  expect_angles(Rotary(rope(layout::RopeScaling::kLinear, 4)).angles(positions, 101), 10000, 4);
  const Rotary dynamic(rope(layout::RopeScaling::kDynamic, 2));
  expect_angles(dynamic.angles(positions, 32), 10000,
                1);  // within the trained length nothing changes
  const double base = 10000 * std::pow(2.0 * 101 / 32 - 1, 16.0 / 14.0);
  expect_angles(dynamic.angles(positions, 101), base, 1);
  expect_angles(dynamic.angles(positions, 32), 10000, 1);  // and a long sequence leaves no trace
}

// Each frequency divided by its own number, against the formula in double; tolerance as above.
TEST(Rotary, FrequenciesAreDividedByTheirFactors) {
  RotaryOptions options{.dims = 16, .theta = 500000};
  options.frequency_factors = {1, 1, 1, 1.25, 2.5, 6, 8, 8};
  const Tensor positions = torch::tensor({{0, 1, 31, 100}});
  const RotaryAngles got = Rotary(options).angles(positions, 101);
  for (int64_t t = 0; t < positions.size(1); ++t)
    for (int64_t i = 0; i < 8; ++i) {
      const auto p = static_cast<double>(positions[0][t].item<int64_t>());
      const double angle = p * std::pow(500000.0, -2.0 * static_cast<double>(i) / 16.0) /
                           options.frequency_factors[static_cast<size_t>(i)];
      EXPECT_NEAR(got.cos[0][t][i].item<float>(), std::cos(angle), 2e-5);
      EXPECT_NEAR(got.sin[0][t][i].item<float>(), std::sin(angle), 2e-5);
    }
}

TEST(KvCache, GrowsInStepsAndKeepsWhatItHolds) {
  KvCache cache({1, 2, 3}, 2, 700);
  const Tensor all = torch::randn({2, 700, 2, 3});
  int64_t at = 0;
  for (const int64_t count : {10, 250, 1, 400, 39}) {
    const Tensor piece = all.narrow(1, at, count);
    const auto [keys, values] = cache.append(0, piece, piece * 2);
    at += count;
    EXPECT_TRUE(torch::equal(keys.rows, all.narrow(1, 0, at).transpose(1, 2)));
    EXPECT_TRUE(torch::equal(values.rows, keys.rows * 2));
    cache.advance(count);
  }
  EXPECT_EQ(cache.length(), 700);
  const Tensor one = torch::randn({2, 1, 2, 3});
  try {
    cache.append(0, one, one);
    FAIL();
  } catch (const ResourceError& error) {
    EXPECT_NE(std::string(error.what()).find("701 positions, the context holds 700"),
              std::string::npos);
  }
  cache.truncate(5);
  const auto [keys, values] = cache.append(0, one, one);
  EXPECT_EQ(keys.rows.size(2), 6);
  EXPECT_TRUE(torch::equal(keys.rows.narrow(2, 0, 5), all.narrow(1, 0, 5).transpose(1, 2)));
}

TEST(KvCache, ReorderMakesNewRowsOfOldOnes) {
  KvCache cache({1, 1, 2}, 2, 8);
  const Tensor rows = torch::randn({2, 3, 1, 2});
  cache.append(0, rows, rows);
  cache.advance(3);
  cache.reorder(torch::tensor({1, 1, 0}));
  const Tensor next = torch::randn({3, 1, 1, 2});
  const Tensor keys = cache.append(0, next, next).first.rows;
  for (const auto& [row, from] : {std::pair{0, 1}, std::pair{1, 1}, std::pair{2, 0}}) {
    EXPECT_TRUE(torch::equal(keys[row].narrow(1, 0, 3), rows[from].transpose(0, 1)));
  }
}

// Half a step of the largest of a row of a head: 2^-11 of a float16, 1 / 254 of 8 bits.
class NarrowKvCache : public ::testing::TestWithParam<std::pair<KvStorage, double>> {};

TEST_P(NarrowKvCache, HoldsRoundedRowsThroughGrowthCutsAndReordering) {
  const auto [storage, step] = GetParam();
  KvCache cache({1, 2, 20}, 2, 700, storage);
  const Tensor all = torch::randn({2, 700, 2, 20});
  const auto expect_near = [&, step = step](const CachedRows& found, const Tensor& expected) {
    const Tensor wide = expected.transpose(1, 2);
    ASSERT_EQ(found.widened().sizes(), wide.sizes());
    const Tensor largest = wide.abs().amax(-1, true);
    EXPECT_LE(((found.widened() - wide).abs() / largest).max().item<double>(), 1.001 * step);
  };
  int64_t at = 0;
  for (const int64_t count : {10, 250, 1, 39}) {
    const auto [keys, values] =
        cache.append(0, all.narrow(1, at, count), all.narrow(1, at, count) * 2);
    at += count;
    expect_near(keys, all.narrow(1, 0, at));
    expect_near(values, all.narrow(1, 0, at) * 2);
    cache.advance(count);
  }
  cache.truncate(7);
  cache.reorder(torch::tensor({1, 1, 0}));
  const Tensor one = torch::randn({3, 1, 2, 20});
  const Tensor rows = all.narrow(1, 0, 7).index_select(0, torch::tensor({1, 1, 0}));
  expect_near(cache.append(0, one, one).first, torch::cat({rows, one}, 1));
}

TEST_P(NarrowKvCache, AttentionReadsItInPlace) {
  const auto [storage, step] = GetParam();
  constexpr double kScale = 0.2;
  for (const int64_t keys : {1, 70, 600})
    for (const int64_t queries : {1, 3, 50}) {
      if (queries > keys) continue;
      KvCache cache({1, 2, 20}, 2, 700, storage);
      const Tensor all = torch::randn({2, keys, 2, 20}), more = torch::randn({2, keys, 2, 20});
      const auto [key, value] = cache.append(0, all, more);
      const Tensor query = torch::randn({2, queries, 4, 20});
      for (const AttentionMask& mask : {AttentionMask{}, AttentionMask{true, 0, {}},
                                        AttentionMask{true, 9, {{0, keys}, {keys / 2, keys}}}}) {
        const c10::InferenceMode inference;
        const Tensor found = ops::attention(query, key, value, kScale, mask);
        // The kernels against plain operations on the very numbers that are held.
        const ops::ComposedOnly composed;
        const Tensor expected = ops::attention(query, key, value, kScale, mask);
        EXPECT_LT((found - expected).abs().max().item<double>(), 1e-5) << keys << " " << queries;
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Storages, NarrowKvCache,
                         ::testing::Values(std::pair{KvStorage::kF16, 0x1p-11},
                                           std::pair{KvStorage::kQ8, 1.0 / 254}),
                         [](const auto& info) {
                           return info.param.first == KvStorage::kF16 ? "f16" : "q8";
                         });

TEST(KvCache, AnUnknownStorageIsAUsageError) {
  EXPECT_EQ(parse_kv_storage("q8"), KvStorage::kQ8);
  EXPECT_THROW(parse_kv_storage("q3"), UsageError);
}

TEST(KvCache, RefusesGradients) {
  KvCache cache({1, 1, 2}, 1, 8);
  const Tensor key = torch::randn({1, 1, 1, 2}).requires_grad_(true);
  EXPECT_THROW(cache.append(0, key, key), InternalError);
}

}  // namespace
}  // namespace isthmus::nn
