#include <algorithm>
#include <functional>
#include <limits>

#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

class RowKernels : public KernelTest {};

TEST_P(RowKernels, RmsNormMatchesDouble) {
  for (const int64_t dim : kSizes) {
    constexpr int64_t kRows = 3;
    Floats x = random_floats(kRows * dim, 1, 3), weight = random_floats(dim, 2), y(kRows * dim);
    table().rms_norm({x.data(), weight.data(), y.data(), kRows, dim, 1e-5f});
    for (int64_t r = 0; r < kRows; ++r) {
      double squares = 0;
      for (int64_t i = 0; i < dim; ++i)
        squares += static_cast<double>(x[r * dim + i]) * x[r * dim + i];
      const double scale = 1 / std::sqrt(squares / static_cast<double>(dim) + 1e-5f);
      for (int64_t i = 0; i < dim; ++i)
        ASSERT_NEAR(y[r * dim + i], x[r * dim + i] * scale * weight[i], 2e-6)
            << "dim " << dim;  // float sums
    }
    table().rms_norm({x.data(), weight.data(), x.data(), kRows, dim, 1e-5f});
    for (int64_t i = 0; i < kRows * dim; ++i) ASSERT_EQ(x[i], y[i]) << "in place, dim " << dim;
  }
}

TEST_P(RowKernels, LayerNormMatchesDouble) {
  for (const int64_t dim : kSizes) {
    constexpr int64_t kRows = 3;
    Floats x = random_floats(kRows * dim, 1, 3), weight = random_floats(dim, 2),
           bias = random_floats(dim, 3);
    for (int64_t i = 0; i < kRows * dim; ++i)
      x[i] += 10;  // a mean far from zero must not cancel the variance
    Floats y(kRows * dim);
    table().layer_norm({x.data(), weight.data(), bias.data(), y.data(), kRows, dim, 1e-5f});
    for (int64_t r = 0; r < kRows; ++r) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < dim; ++i) mean += x[r * dim + i] / static_cast<double>(dim);
      for (int64_t i = 0; i < dim; ++i)
        variance += (x[r * dim + i] - mean) * (x[r * dim + i] - mean) / static_cast<double>(dim);
      const double scale = 1 / std::sqrt(variance + 1e-5f);
      for (int64_t i = 0; i < dim; ++i) {
        // The mean near 10 is known to 1e-6 and the row is scaled up by at most 1 / sqrt(eps) on
        // constant rows.
        const double tolerance = dim == 1 ? 1e-3 : 1e-5;
        ASSERT_NEAR(y[r * dim + i], (x[r * dim + i] - mean) * scale * weight[i] + bias[i],
                    tolerance)
            << dim;
      }
    }
    Floats without(kRows * dim);
    table().layer_norm({x.data(), weight.data(), nullptr, without.data(), kRows, dim, 1e-5f});
    for (int64_t i = 0; i < kRows * dim; ++i)
      ASSERT_NEAR(without[i] + bias[i % dim], y[i], 1e-6) << "no bias, dim " << dim;
    table().layer_norm({x.data(), weight.data(), bias.data(), x.data(), kRows, dim, 1e-5f});
    for (int64_t i = 0; i < kRows * dim; ++i) ASSERT_EQ(x[i], y[i]) << "in place, dim " << dim;
  }
}

double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

TEST_P(RowKernels, ActivationsMatchDouble) {
  struct Case {
    void (*kernel)(const ActivationArgs&);
    std::function<double(double)> reference;
    const char* name;
  };
  const Case cases[] = {
      {table().gelu, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }, "gelu"},
      {table().gelu_tanh, gelu_tanh, "gelu_tanh"},
      {table().quick_gelu, [](double x) { return x / (1 + std::exp(-1.702 * x)); }, "quick_gelu"},
  };
  const float special[] = {0.0f, -0.0f, 1e-40f, -1e-40f, 1e-20f, 50.0f, -50.0f, 200.0f, -200.0f};
  for (const Case& c : cases) {
    for (const int64_t size : kSizes) {
      Floats x = random_floats(size, 1, 6), y(size);
      for (int64_t i = 0; i < std::min<int64_t>(size, std::size(special)); ++i) x[i] = special[i];
      c.kernel({x.data(), y.data(), size});
      for (int64_t i = 0; i < size; ++i)
        ASSERT_NEAR(y[i], c.reference(x[i]),
                    2e-7 * std::max(1.0, std::abs(static_cast<double>(x[i]))))
            << c.name << " " << x[i];
      c.kernel({x.data(), x.data(), size});
      for (int64_t i = 0; i < size; ++i) ASSERT_EQ(x[i], y[i]) << c.name << " in place";
    }
    Floats nan(20, NAN);
    c.kernel({nan.data(), nan.data(), 20});
    for (int64_t i = 0; i < 20; ++i) EXPECT_TRUE(std::isnan(nan[i])) << c.name;
    Floats infinity(20, INFINITY);
    c.kernel({infinity.data(), infinity.data(), 20});
    for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(infinity[i], INFINITY) << c.name;
  }
}

TEST_P(RowKernels, SiluMulMatchesDouble) {
  for (const int64_t size : kSizes) {
    Floats gate = random_floats(size, 1, 10), up = random_floats(size, 2), y(size);
    gate[0] = -120;  // exp overflows on the way
    table().silu_mul({gate.data(), up.data(), y.data(), size});
    for (int64_t i = 0; i < size; ++i) {
      const double g = gate[i];
      ASSERT_NEAR(y[i], g / (1 + std::exp(-g)) * up[i], 2e-7 * std::max(1.0, std::abs(g)));
    }
    table().silu_mul({gate.data(), up.data(), up.data(), size});
    for (int64_t i = 0; i < size; ++i) ASSERT_EQ(up[i], y[i]) << "in place";
  }
}

TEST_P(RowKernels, RmsNormGradientMatchesDouble) {
  for (const int64_t dim : kSizes) {
    constexpr int64_t kRows = 3;
    const Floats x = random_floats(kRows * dim, 1, 3), weight = random_floats(dim, 2),
                 dy = random_floats(kRows * dim, 3);
    Floats dx(kRows * dim), dweight(dim, 0.5f);
    table().rms_norm_gradient(
        {x.data(), weight.data(), dy.data(), dx.data(), dweight.data(), kRows, dim, 1e-5f});
    std::vector<double> of_weight(static_cast<size_t>(dim), 0.5);
    for (int64_t r = 0; r < kRows; ++r) {
      double squares = 0, along = 0;
      for (int64_t i = 0; i < dim; ++i) {
        const double value = x[r * dim + i];
        squares += value * value;
        along += static_cast<double>(weight[i]) * dy[r * dim + i] * value;
      }
      const double s = 1 / std::sqrt(squares / static_cast<double>(dim) + 1e-5f);
      for (int64_t i = 0; i < dim; ++i) {
        const double value = x[r * dim + i], d = dy[r * dim + i];
        const double want =
            s * weight[i] * d - value * s * s * s * along / static_cast<double>(dim);
        of_weight[static_cast<size_t>(i)] += d * value * s;
        // Relative to what is subtracted.
        ASSERT_NEAR(dx[r * dim + i], want, 2e-6 * (1 + s)) << "dim " << dim;
      }
    }
    for (int64_t i = 0; i < dim; ++i)
      ASSERT_NEAR(dweight[i], of_weight[static_cast<size_t>(i)], 1e-5);
    Floats in_place = dy;
    table().rms_norm_gradient(
        {x.data(), weight.data(), in_place.data(), in_place.data(), nullptr, kRows, dim, 1e-5f});
    for (int64_t i = 0; i < kRows * dim; ++i) ASSERT_EQ(in_place[i], dx[i]) << "in place";
  }
}

TEST_P(RowKernels, LayerNormGradientMatchesDouble) {
  for (const int64_t dim : kSizes) {
    if (dim == 1) continue;  // a row of one number is all rounding
    constexpr int64_t kRows = 3;
    const Floats x = random_floats(kRows * dim, 1, 3), weight = random_floats(dim, 2),
                 dy = random_floats(kRows * dim, 3);
    Floats dx(kRows * dim), dweight(dim, 0.5f), dbias(dim, -0.5f);
    table().layer_norm_gradient({x.data(), weight.data(), dy.data(), dx.data(), dweight.data(),
                                 dbias.data(), kRows, dim, 1e-5f});
    std::vector<double> of_weight(static_cast<size_t>(dim), 0.5), of_bias(of_weight.size(), -0.5);
    const auto n = static_cast<double>(dim);
    for (int64_t r = 0; r < kRows; ++r) {
      double mean = 0, variance = 0, level = 0, along = 0;
      for (int64_t i = 0; i < dim; ++i) mean += x[r * dim + i] / n;
      for (int64_t i = 0; i < dim; ++i)
        variance += (x[r * dim + i] - mean) * (x[r * dim + i] - mean) / n;
      const double s = 1 / std::sqrt(variance + 1e-5f);
      const auto normal = [&](int64_t i) { return (x[r * dim + i] - mean) * s; };
      const auto g = [&](int64_t i) { return static_cast<double>(weight[i]) * dy[r * dim + i]; };
      for (int64_t i = 0; i < dim; ++i) level += g(i) / n, along += g(i) * normal(i) / n;
      for (int64_t i = 0; i < dim; ++i) {
        ASSERT_NEAR(dx[r * dim + i], s * (g(i) - level - normal(i) * along), 3e-6 * (1 + s))
            << "dim " << dim;
        of_weight[static_cast<size_t>(i)] += dy[r * dim + i] * normal(i);
        of_bias[static_cast<size_t>(i)] += dy[r * dim + i];
      }
    }
    for (int64_t i = 0; i < dim; ++i) {
      ASSERT_NEAR(dweight[i], of_weight[static_cast<size_t>(i)], 1e-5);
      ASSERT_NEAR(dbias[i], of_bias[static_cast<size_t>(i)], 1e-5);
    }
    Floats in_place = dy;
    table().layer_norm_gradient({x.data(), weight.data(), in_place.data(), in_place.data(), nullptr,
                                 nullptr, kRows, dim, 1e-5f});
    for (int64_t i = 0; i < kRows * dim; ++i) ASSERT_EQ(in_place[i], dx[i]) << "in place";
  }
}

TEST_P(RowKernels, ActivationGradientsMatchDifferencesInDouble) {
  struct Case {
    void (*kernel)(const ActivationGradientArgs&);
    std::function<double(double)> reference;
    const char* name;
  };
  const Case cases[] = {
      {table().gelu_gradient, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); },
       "gelu"},
      {table().gelu_tanh_gradient, gelu_tanh, "gelu_tanh"},
      {table().quick_gelu_gradient, [](double x) { return x / (1 + std::exp(-1.702 * x)); },
       "quick_gelu"},
  };
  const float special[] = {0.0f, 1e-40f, 50.0f, -50.0f, 200.0f, -200.0f};
  for (const Case& c : cases) {
    for (const int64_t size : kSizes) {
      Floats x = random_floats(size, 1, 6), dx(size);
      const Floats dy = random_floats(size, 2);
      for (int64_t i = 0; i < std::min<int64_t>(size, std::size(special)); ++i) x[i] = special[i];
      c.kernel({x.data(), dy.data(), dx.data(), size});
      for (int64_t i = 0; i < size; ++i) {
        constexpr double kStep = 1e-5;
        const double slope = (c.reference(x[i] + kStep) - c.reference(x[i] - kStep)) / (2 * kStep);
        ASSERT_NEAR(dx[i], dy[i] * slope, 2e-6) << c.name << " " << x[i];
      }
    }
  }
}

TEST_P(RowKernels, SiluMulGradientMatchesDouble) {
  for (const int64_t size : kSizes) {
    Floats gate = random_floats(size, 1, 10), dgate(size), dup(size);
    const Floats up = random_floats(size, 2), dy = random_floats(size, 3);
    gate[0] = -120;  // exp overflows on the way
    table().silu_mul_gradient({gate.data(), up.data(), dy.data(), dgate.data(), dup.data(), size});
    for (int64_t i = 0; i < size; ++i) {
      const double g = gate[i], s = 1 / (1 + std::exp(-g));
      ASSERT_NEAR(dup[i], dy[i] * g * s, 1e-6 * std::max(1.0, std::abs(g)));
      ASSERT_NEAR(dgate[i], static_cast<double>(dy[i]) * up[i] * s * (1 + g * (1 - s)), 2e-6);
    }
  }
}

TEST_P(RowKernels, SoftmaxGradientSeesOnlyItsRange) {
  constexpr float kScale = 0.25f;
  for (const int64_t count : kSizes) {
    for (const auto& [begin, end] :
         std::vector<std::pair<int64_t, int64_t>>{{0, count},
                                                  {count / 3, count},
                                                  {count / 4, count - count / 4},
                                                  {count / 2, count / 2}}) {
      Floats weights = random_floats(count, 1), gradient = random_floats(count, 2);
      double along = 0;
      for (int64_t i = begin; i < end; ++i) along += static_cast<double>(weights[i]) * gradient[i];
      Floats found = gradient;
      for (int64_t i = 0; i < count; ++i)
        if (i < begin || i >= end) found[i] = weights[i] = NAN;
      table().softmax_gradient({weights.data(), found.data(), count, begin, end, kScale});
      for (int64_t i = 0; i < count; ++i) {
        const bool visible = i >= begin && i < end;
        const double want =
            visible ? static_cast<double>(kScale) * weights[i] * (gradient[i] - along) : 0;
        ASSERT_NEAR(found[i], want, visible ? 2e-7 * (1 + std::abs(along)) * 10 : 0) << count;
      }
    }
  }
}

TEST_P(RowKernels, RotaryMatchesDouble) {
  for (const auto& [half, rest] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 0}, {4, 0}, {9, 0}, {32, 0}, {64, 0}, {1, 1}, {2, 12}, {8, 48}}) {
    constexpr int64_t kHeads = 3;
    const int64_t dim = 2 * half + rest, stride = dim + 5;
    const Floats x = random_floats(kHeads * stride, 1), angles = random_floats(half, 2, 7);
    Floats cos(half), sin(half), y(kHeads * dim);
    for (int64_t i = 0; i < half; ++i) cos[i] = std::cos(angles[i]), sin[i] = std::sin(angles[i]);
    for (const bool pairs : {false, true}) {
      (pairs ? table().rotary_pairs : table().rotary_halves)(
          {x.data(), stride, cos.data(), sin.data(), y.data(), kHeads, dim, 2 * half});
      for (int64_t h = 0; h < kHeads; ++h) {
        for (int64_t i = 0; i < half; ++i) {
          const int64_t first = pairs ? 2 * i : i, second = pairs ? 2 * i + 1 : half + i;
          const double u = x[h * stride + first], v = x[h * stride + second], c = cos[i],
                       s = sin[i];
          ASSERT_NEAR(y[h * dim + first], u * c - v * s, 3e-7);
          ASSERT_NEAR(y[h * dim + second], v * c + u * s, 3e-7);
        }
        for (int64_t i = 2 * half; i < dim; ++i) ASSERT_EQ(y[h * dim + i], x[h * stride + i]);
      }
    }
  }
}

TEST_P(RowKernels, SoftmaxSeesOnlyItsRange) {
  for (const int64_t count : kSizes) {
    for (const auto& [begin, end] :
         std::vector<std::pair<int64_t, int64_t>>{{0, count},
                                                  {count / 3, count},
                                                  {0, (count + 1) / 2},
                                                  {count / 4, count - count / 4},
                                                  {count / 2, count / 2}}) {
      for (const float scale : {1.0f, 0.125f, -0.5f}) {
        const Floats scores = random_floats(count, 1, 30);
        Floats row = scores;
        for (int64_t i = 0; i < count; ++i)
          if (i < begin || i >= end) row[i] = NAN;  // what is not visible must not be looked at
        table().softmax_row({row.data(), count, begin, end, scale});
        double highest = -std::numeric_limits<double>::infinity(), sum = 0;
        for (int64_t i = begin; i < end; ++i)
          highest = std::max(highest, static_cast<double>(scale) * scores[i]);
        for (int64_t i = begin; i < end; ++i)
          sum += std::exp(static_cast<double>(scale) * scores[i] - highest);
        for (int64_t i = 0; i < count; ++i) {
          const bool visible = i >= begin && i < end;
          const double expected =
              visible ? std::exp(static_cast<double>(scale) * scores[i] - highest) / sum : 0;
          // A float score near 30 carries 2e-6, which exp turns into a relative error.
          ASSERT_NEAR(row[i], expected, visible ? 5e-6 * expected + 1e-9 : 0)
              << count << " [" << begin << ", " << end;
        }
      }
    }
  }
}

TEST_P(RowKernels, SoftmaxAddsASlope) {
  constexpr float kScale = 0.125f;
  for (const int64_t count : kSizes) {
    for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{
             {0, count}, {count / 3, count}, {count / 4, count - count / 4}}) {
      // The steepest slope of 8 heads, a gentle one, and one that rises.
      for (const float slope : {0.5f, 0.00390625f, -0.25f}) {
        // At the end of its range, as a causal query, or beyond the row.
        for (const int64_t position : {end - 1, count + 5}) {
          const Floats scores = random_floats(count, 1, 30);
          Floats row = scores;
          for (int64_t i = 0; i < count; ++i)
            if (i < begin || i >= end) row[i] = NAN;
          table().softmax_row({row.data(), count, begin, end, kScale, slope, position});
          std::vector<double> expected(static_cast<size_t>(count), 0);
          const auto score = [&](int64_t i) {
            return static_cast<double>(kScale) * scores[i] +
                   static_cast<double>(slope) * static_cast<double>(i - position);
          };
          double highest = -std::numeric_limits<double>::infinity(), sum = 0;
          for (int64_t i = begin; i < end; ++i) highest = std::max(highest, score(i));
          for (int64_t i = begin; i < end; ++i) sum += std::exp(score(i) - highest);
          for (int64_t i = 0; i < count; ++i) {
            const bool visible = i >= begin && i < end;
            const double want = visible ? std::exp(score(i) - highest) / sum : 0;
            // Half an ulp of the scores that count, which exp turns into a relative error.
            const double relative = 5e-6 + std::abs(highest) * 0x1p-23;
            ASSERT_NEAR(row[i], want, visible ? relative * want + 1e-9 : 0)
                << count << " [" << begin << ", " << end << ") slope " << slope;
          }
        }
      }
    }
  }
}

TEST_P(RowKernels, SoftmaxSurvivesExtremesAndShowsNan) {
  Floats row(33, -INFINITY);
  row[7] = 1e30f;
  row[20] = -1e30f;
  table().softmax_row({row.data(), 33, 0, 33, 1.0f});
  for (int64_t i = 0; i < 33; ++i) EXPECT_EQ(row[i], i == 7 ? 1.0f : 0.0f) << i;
  Floats with_nan(33, 1.0f);
  with_nan[5] = NAN;
  table().softmax_row({with_nan.data(), 33, 0, 33, 1.0f});
  for (int64_t i = 0; i < 33; ++i) EXPECT_TRUE(std::isnan(with_nan[i])) << i;
}

TEST_P(RowKernels, NanInARowSpoilsThatRowOnly) {
  constexpr int64_t kDim = 31;
  Floats x = random_floats(2 * kDim, 1), weight(kDim, 1.0f), bias(kDim), y(2 * kDim);
  x[kDim - 1] = NAN;
  table().rms_norm({x.data(), weight.data(), y.data(), 2, kDim, 1e-5f});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_FALSE(std::isnan(y[kDim]));
  table().layer_norm({x.data(), weight.data(), bias.data(), y.data(), 2, kDim, 1e-5f});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_FALSE(std::isnan(y[kDim]));
}

TEST_P(RowKernels, SubnormalRowsStayFinite) {
  Floats x(31, 1e-40f), weight(31, 1.0f), y(31);
  table().rms_norm({x.data(), weight.data(), y.data(), 1, 31, 1e-6f});
  for (int64_t i = 0; i < 31; ++i) EXPECT_NEAR(y[i], 1e-37, 1e-39);
}

ISTHMUS_FOR_EACH_TABLE(RowKernels);

}  // namespace
}  // namespace isthmus::kernels
