#include "nn/quantised_matrix.h"

#include <map>

#include <gtest/gtest.h>

#include "nn/dense_matrix.h"
#include "nn/linear.h"
#include "nn/ops.h"

namespace isthmus::nn {
namespace {

class QuantisedStorage : public ::testing::TestWithParam<DType> {};

// Weights of a normal layer: zero mean, a few large.
Tensor weights(int64_t rows, int64_t cols) {
  torch::manual_seed(1);
  return torch::randn({rows, cols}) * 0.05;
}

double relative_error(const Tensor& found, const Tensor& expected) {
  return ((found - expected).norm() / expected.norm()).item<double>();
}

TEST_P(QuantisedStorage, KeepsTheValues) {
  const std::map<DType, double> most = {
      {DType::kQ4, 0.08}, {DType::kQ5, 0.04}, {DType::kQ6, 0.02}, {DType::kQ8, 0.006}};
  for (const auto& [rows, cols] : {std::pair{1, 1}, {7, 33}, {16, 256}, {50, 600}}) {
    const Tensor w = weights(rows, cols);
    const auto matrix = QuantisedMatrix::quantise(GetParam(), DenseMatrix(w));
    const Tensor dense = matrix->to_dense();
    ASSERT_EQ(dense.sizes(), w.sizes());
    EXPECT_LT(relative_error(dense, w), most.at(GetParam())) << rows << "x" << cols;
    const Tensor ids = torch::tensor({0, rows - 1, rows / 2});
    EXPECT_TRUE(torch::equal(matrix->gather_rows(ids), dense.index_select(0, ids)));
  }
}

TEST_P(QuantisedStorage, ProductsFollowTheHeldValues) {
  const Tensor w = weights(100, 700), bias = torch::randn({100});
  const auto matrix = QuantisedMatrix::quantise(GetParam(), DenseMatrix(w));
  const Tensor dense = matrix->to_dense();
  const c10::InferenceMode inference;
  for (const int64_t m : {1, 3, 7, 130}) {
    const Tensor x = torch::randn({m, 700});
    EXPECT_LT(relative_error(matrix->apply(x, bias), torch::linear(x, dense, bias)), 0.01);
    EXPECT_LT(relative_error(matrix->apply_exactly(x), torch::linear(x, dense)), 1e-6);
    const Tensor dy = torch::randn({m, 100});
    EXPECT_LT(relative_error(matrix->apply_transposed(dy), torch::matmul(dy, dense)), 1e-6);
  }
}

TEST_P(QuantisedStorage, RowsOfABatchDoNotSeeEachOther) {
  const auto matrix = QuantisedMatrix::quantise(GetParam(), DenseMatrix(weights(64, 512)));
  const c10::InferenceMode inference;
  const Tensor x = torch::randn({9, 512}), together = matrix->apply(x, {});
  for (int64_t r = 0; r < 9; ++r)
    EXPECT_LT((matrix->apply(x[r], {}) - together[r]).abs().max().item<double>(), 1e-5);
}

TEST_P(QuantisedStorage, GradientsPassThrough) {
  const auto matrix = QuantisedMatrix::quantise(GetParam(), DenseMatrix(weights(40, 96)));
  Tensor x = torch::randn({5, 96}).requires_grad_();
  const Tensor y = frozen_linear(x, {}, matrix);
  y.square().sum().backward();
  Tensor expected = x.detach().clone().requires_grad_();
  torch::linear(expected, matrix->to_dense()).square().sum().backward();
  EXPECT_LT(relative_error(x.grad(), expected.grad()), 1e-5);
}

TEST_P(QuantisedStorage, OddValuesAreKeptOrLeftOut) {
  Tensor w = torch::zeros({4, 64});
  w[1].fill_(0.25);
  w[2].fill_(-3);
  w[3][5] = NAN;
  w[3][6] = INFINITY;
  const Tensor dense = QuantisedMatrix::quantise(GetParam(), DenseMatrix(w))->to_dense();
  EXPECT_EQ(dense[0].abs().max().item<double>(), 0);
  EXPECT_LT((dense[1] - 0.25).abs().max().item<double>(), 0.01);
  EXPECT_LT((dense[2] + 3).abs().max().item<double>(), 0.05);
  EXPECT_EQ(dense[3].abs().max().item<double>(), 0);
}

// Rows and columns that do not fill a block; q8's formula, which all share with scale 1 and no min.
TEST_P(QuantisedStorage, PublishedNumbersAreRepackedWithoutLoss) {
  const int offset = GetParam() == DType::kQ8 ? 128 : GetParam() == DType::kQ6 ? 32 : 0;
  const auto level = [&](int64_t row, int64_t column) {
    return (7 * row + 3 * column) % 16 + offset;
  };
  const auto matrix = QuantisedMatrix::repack(
      GetParam(), 21, 300, [&](int64_t row, int64_t b, kernels::PublishedRow& out) {
        for (uint16_t& d : out.d) d = 0x3800;  // 0.5
        for (int8_t& scale : out.scale) scale = 1;
        for (int64_t i = 0; i < 256; ++i) out.q[i] = static_cast<uint8_t>(level(row, 256 * b + i));
      });
  EXPECT_EQ(matrix->bytes(), QuantisedMatrix::bytes_of(GetParam(), 21, 300));
  const Tensor dense = matrix->to_dense();
  for (int64_t row = 0; row < 21; ++row)
    for (int64_t column = 0; column < 300; ++column)
      ASSERT_EQ(dense[row][column].item<float>(),
                0.5f * static_cast<float>(level(row, column) - offset));
}

INSTANTIATE_TEST_SUITE_P(Kinds, QuantisedStorage,
                         ::testing::Values(DType::kQ4, DType::kQ5, DType::kQ6, DType::kQ8),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace isthmus::nn
