#include "nn/work.h"

#include <gtest/gtest.h>

#include "nn/dense_matrix.h"
#include "nn/ops.h"
#include "nn/quantised_matrix.h"

namespace isthmus::nn {
namespace {

TEST(WorkCounter, CountsProductsByWhatTheyAreMadeOf) {
  const c10::InferenceMode inference;
  const DenseMatrix dense(torch::randn({48, 256}));
  const auto quantised = QuantisedMatrix::quantise(DType::kQ4, dense);
  const Tensor x = torch::randn({2, 5, 256});
  const WorkCounter counter;
  dense.apply(x, Tensor());
  EXPECT_EQ(counter.work().float_products, 2.0 * 10 * 48 * 256);
  EXPECT_EQ(counter.work().weight_bytes, 48 * 256 * 4);
  quantised->apply(x, Tensor());
  quantised->apply(x, Tensor());
  EXPECT_EQ(counter.work().int8_products, 2 * 2.0 * 10 * 48 * 256);
  EXPECT_EQ(counter.work().weight_bytes,
            48 * 256 * 4 + 2.0 * static_cast<double>(quantised->bytes()));
}

TEST(WorkCounter, CountsThePairsThatAttentionSees) {
  const c10::InferenceMode inference;
  constexpr int64_t kQueries = 3, kKeys = 7, kHeads = 4, kKvHeads = 2, kDim = 8;
  const Tensor query = torch::randn({1, kQueries, kHeads, kDim});
  const Tensor key = torch::randn({1, kKvHeads, kKeys, kDim});
  const WorkCounter counter;
  ops::attention(query, key, key, 1, {});
  double expected = 4.0 * kDim * kHeads * kQueries * kKeys;
  EXPECT_EQ(counter.work().attention, expected);
  EXPECT_EQ(counter.work().cache_bytes, 2.0 * kKvHeads * kKeys * kDim * 4);
  // Queries 4, 5 and 6 see 5, 6 and 7 keys.
  ops::attention(query, key, key, 1, {.causal = true, .window = 0, .ranges = {}});
  expected += 4.0 * kDim * kHeads * (5 + 6 + 7);
  EXPECT_EQ(counter.work().attention, expected);
  // Keys 2 to 4 alone are real: none of them is ahead of a query.
  ops::attention(query, key, key, 1, {.causal = true, .window = 0, .ranges = {{2, 5}}});
  expected += 4.0 * kDim * kHeads * 3 * 3;
  EXPECT_EQ(counter.work().attention, expected);
  EXPECT_EQ(counter.work().cache_bytes, 2.0 * kKvHeads * (kKeys + kKeys + 3) * kDim * 4);
}

TEST(WorkCounter, TheLastOneMadeCounts) {
  const c10::InferenceMode inference;
  const DenseMatrix dense(torch::randn({4, 4}));
  const Tensor x = torch::randn({1, 4});
  const WorkCounter outer;
  {
    const WorkCounter inner;
    dense.apply(x, Tensor());
    EXPECT_EQ(inner.work().float_products, 32);
  }
  EXPECT_EQ(outer.work().float_products, 0);
  dense.apply(x, Tensor());
  EXPECT_EQ(outer.work().float_products, 32);
}

}  // namespace
}  // namespace isthmus::nn
