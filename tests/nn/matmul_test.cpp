#include "nn/matmul.h"

#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace isthmus::nn {
namespace {

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(rng.uniform() * 2 - 1);
  return values;
}

// A stored copy of `values`, deliberately one byte off any alignment, and what the copy holds as
// float.
struct Stored {
  std::vector<char> bytes;
  std::vector<float> values;
  StoredMatrix matrix;
};

Stored store(const std::vector<float>& values, DType dtype, int64_t rows, int64_t cols,
             int64_t row_stride) {
  Stored s;
  s.values.resize(static_cast<size_t>(rows * cols));
  s.bytes.assign(static_cast<size_t>(rows * row_stride) * size_of(dtype) + 1, '\xff');
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < cols; ++i) {
      const auto from = static_cast<size_t>(r * cols + i);
      char* to = s.bytes.data() + 1 + static_cast<size_t>(r * row_stride + i) * size_of(dtype);
      const float value = values[from];
      if (dtype == DType::kF32) {
        std::memcpy(to, &value, 4);
        s.values[from] = value;
        continue;
      }
      const uint16_t bits = dtype == DType::kF16 ? float_to_half(value) : float_to_bfloat16(value);
      std::memcpy(to, &bits, 2);
      s.values[from] = dtype == DType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
    }
  }
  s.matrix = {dtype, s.bytes.data() + 1, rows, cols, row_stride};
  return s;
}

class Matmul : public ::testing::TestWithParam<std::tuple<DType, int64_t>> {};

TEST_P(Matmul, MatchesDoubleForOddSizesUnalignedAndStridedWeights) {
  const auto [dtype, m] = GetParam();
  const std::vector<std::pair<int64_t, int64_t>> sizes = {{1, 1},    {7, 9},    {33, 31},
                                                          {96, 100}, {65, 517}, {130, 769}};
  for (const auto& [rows, cols] : sizes) {
    const auto w = store(random_floats(rows * cols, 1), dtype, rows, cols, cols + 3);
    const auto x = random_floats(m * cols, 2), bias = random_floats(rows, 3);
    for (const bool with_bias : {false, true}) {
      for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kBFloat16}) {
        std::vector<float> y(static_cast<size_t>(m * rows), NAN);
        matmul_transposed(x.data(), m, w.matrix, with_bias ? bias.data() : nullptr, y.data(),
                          arithmetic);
        for (int64_t r = 0; r < m; ++r) {
          for (int64_t n = 0; n < rows; ++n) {
            double sum = with_bias ? bias[static_cast<size_t>(n)] : 0.0, magnitude = std::abs(sum);
            for (int64_t i = 0; i < cols; ++i) {
              const double product = static_cast<double>(x[static_cast<size_t>(r * cols + i)]) *
                                     w.values[static_cast<size_t>(n * cols + i)];
              sum += product;
              magnitude += std::abs(product);
            }
            // float32: rounding of sums and products. bfloat16: activations lose all but 8 bits of
            // mantissa.
            const double tolerance =
                arithmetic == Arithmetic::kFloat32 || dtype != DType::kBF16 ? 1e-6 : 0x1p-8;
            ASSERT_NEAR(y[static_cast<size_t>(r * rows + n)], sum, tolerance * (magnitude + 1))
                << "m " << m << " rows " << rows << " cols " << cols << " at " << r << ", " << n;
          }
        }
      }
    }
  }
}

TEST_P(Matmul, BackwardProductMatchesDouble) {
  const auto [dtype, m] = GetParam();
  const std::vector<std::pair<int64_t, int64_t>> sizes = {
      {1, 1}, {7, 9}, {96, 100}, {517, 65}, {769, 130}};
  for (const auto& [rows, cols] : sizes) {
    const auto w = store(random_floats(rows * cols, 1), dtype, rows, cols, cols + 3);
    const auto dy = random_floats(m * rows, 2);
    std::vector<float> dx(static_cast<size_t>(m * cols), NAN);
    matmul(dy.data(), m, w.matrix, dx.data());
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t i = 0; i < cols; ++i) {
        double sum = 0, magnitude = 0;
        for (int64_t n = 0; n < rows; ++n) {
          const double product = static_cast<double>(dy[static_cast<size_t>(r * rows + n)]) *
                                 w.values[static_cast<size_t>(n * cols + i)];
          sum += product;
          magnitude += std::abs(product);
        }
        ASSERT_NEAR(dx[static_cast<size_t>(r * cols + i)], sum, 1e-6 * (magnitude + 1))
            << "m " << m << " rows " << rows << " cols " << cols << " at " << r << ", " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllTypes, Matmul,
                         ::testing::Combine(::testing::Values(DType::kF32, DType::kF16,
                                                              DType::kBF16),
                                            ::testing::Values(1, 2, 3, 5, 8, 9, 64, 577)),
                         [](const auto& info) {
                           return std::string(name_of(std::get<0>(info.param))) + "_m" +
                                  std::to_string(std::get<1>(info.param));
                         });

// Also where float32 products are made of parts, which infinity has none of.
TEST(MatmulEdges, InfinityAndNaNStayWhereTheyBelong) {
  constexpr int64_t kM = 140, kCols = 70, kRows = 40;
  for (const bool in_weights : {false, true}) {
    std::vector<float> x = random_floats(kM * kCols, 1), values = random_floats(kRows * kCols, 2);
    if (in_weights) {
      values[2 * kCols + 9] = INFINITY;
    } else {
      x[3 * kCols + 5] = -INFINITY;
      x[7 * kCols] = NAN;
    }
    const Stored w = store(values, DType::kF32, kRows, kCols, kCols);
    std::vector<float> y(kM * kRows);
    matmul_transposed(x.data(), kM, w.matrix, nullptr, y.data(), Arithmetic::kFloat32);
    for (int64_t j = 0; j < kM; ++j)
      for (int64_t r = 0; r < kRows; ++r) {
        double sum = 0;
        for (int64_t k = 0; k < kCols; ++k)
          sum += static_cast<double>(x[static_cast<size_t>(j * kCols + k)]) * values[static_cast<size_t>(r * kCols + k)];
        const float found = y[static_cast<size_t>(j * kRows + r)];
        if (std::isnan(sum)) {
          EXPECT_TRUE(std::isnan(found)) << j << " " << r;
        } else if (std::isinf(sum)) {
          EXPECT_EQ(found, static_cast<float>(sum)) << j << " " << r;
        } else {
          EXPECT_NEAR(found, sum, 1e-4) << j << " " << r;
        }
      }
  }
}

TEST(MatmulEdges, NoRowsAndNoColumnsAreHandled) {
  const auto w = store(random_floats(6, 1), DType::kF32, 2, 3, 3);
  std::vector<float> y(4, 7.0f);
  matmul_transposed(nullptr, 0, w.matrix, nullptr, y.data(), Arithmetic::kFloat32);
  EXPECT_EQ(y[0], 7.0f);
  const StoredMatrix no_columns{DType::kF32, w.bytes.data(), 2, 0, 0};
  const std::vector<float> bias = {1.0f, 2.0f};
  matmul_transposed(nullptr, 2, no_columns, bias.data(), y.data(), Arithmetic::kFloat32);
  EXPECT_EQ(y, (std::vector<float>{1.0f, 2.0f, 1.0f, 2.0f}));
}

}  // namespace
}  // namespace isthmus::nn
