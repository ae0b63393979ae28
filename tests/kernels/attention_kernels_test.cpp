#include <algorithm>
#include <cstddef>
#include <limits>

#include "base/dtype.h"
#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

class DecodeAttention : public KernelTest {};

enum class Held { kF32, kF16, kI8 };

// Rows as the kernel reads them, and the numbers they stand for.
struct Rows {
  Floats values, scales;
  std::vector<std::byte> narrow;
  const void* data;

  Rows(const KernelTable& table, Held held, int64_t rows, int64_t dim, uint64_t seed)
      : values(random_floats(rows * dim, seed)), scales(rows) {
    data = values.data();
    if (held == Held::kF32) return;
    const bool half = held == Held::kF16;
    narrow.resize(static_cast<size_t>(rows * dim * (half ? 2 : 1)));
    (half ? table.narrow_rows_f16 : table.narrow_rows_i8)(
        {values.data(), dim, rows, dim, narrow.data(), dim, scales.data()});
    if (half)
      table.widen_f16({narrow.data(), values.data(), rows * dim});
    else
      table.widen_rows_i8({narrow.data(), dim, rows, dim, scales.data(), values.data()});
    data = narrow.data();
  }
};

// One group of heads over keys [3, 36) of 37, without and with slopes, against a loop in double.
void expect_matches_double(const KernelTable& table, Held held, int64_t group, int64_t head_dim,
                           const float* slopes, int64_t position) {
  constexpr int64_t kKeys = 37, kBegin = 3, kEnd = 36;
  constexpr float kScale = 0.3f;
  const int64_t stride = head_dim + 7, q_stride = head_dim + 1, out_stride = head_dim + 2;
  const Floats query = random_floats(group * q_stride, 1);
  const Rows keys(table, held, kKeys, stride, 2), values(table, held, kKeys, stride, 3);
  const Floats &key = keys.values, &value = values.values;
  Floats scores(group * (kEnd - kBegin)), out(group * out_stride, NAN), highest(group), sum(group);
  const auto attend = held == Held::kF32   ? table.decode_attention_f32
                      : held == Held::kF16 ? table.decode_attention_f16
                                           : table.decode_attention_i8;
  const bool scaled = held == Held::kI8;
  attend({query.data(),
          q_stride,
          group,
          keys.data,
          stride,
          values.data,
          stride,
          kBegin,
          kEnd,
          head_dim,
          kScale,
          scores.data(),
          out.data(),
          out_stride,
          highest.data(),
          sum.data(),
          slopes,
          position,
          scaled ? keys.scales.data() : nullptr,
          scaled ? values.scales.data() : nullptr});
  for (int64_t g = 0; g < group; ++g) {
    const double slope = slopes != nullptr ? slopes[g] : 0;
    std::vector<double> s(kKeys);
    double expected_max = -std::numeric_limits<double>::infinity(), expected_sum = 0;
    for (int64_t j = kBegin; j < kEnd; ++j) {
      double score = slope * static_cast<double>(j - position);
      for (int64_t d = 0; d < head_dim; ++d)
        score += static_cast<double>(kScale) * query[g * q_stride + d] * key[j * stride + d];
      s[static_cast<size_t>(j)] = score;
      expected_max = std::max(expected_max, score);
    }
    for (int64_t j = kBegin; j < kEnd; ++j)
      expected_sum += std::exp(s[static_cast<size_t>(j)] - expected_max);
    ASSERT_NEAR(highest[g], expected_max, 1e-5);
    ASSERT_NEAR(sum[g], expected_sum, 1e-5 * expected_sum);
    for (int64_t d = 0; d < head_dim; ++d) {
      double expected = 0;
      for (int64_t j = kBegin; j < kEnd; ++j)
        expected += std::exp(s[static_cast<size_t>(j)] - expected_max) * value[j * stride + d];
      ASSERT_NEAR(out[g * out_stride + d], expected, 1e-5 * expected_sum)
          << group << " x " << head_dim;
    }
    EXPECT_TRUE(std::isnan(out[g * out_stride + head_dim])) << "wrote past the head";
  }
}

TEST_P(DecodeAttention, MatchesDoubleForGroupsAndOddSizes) {
  for (const int64_t group : {1, 2, 4, 5, 9})
    for (const int64_t head_dim : {1, 8, 20, 64, 128, 200})
      for (const Held held : {Held::kF32, Held::kF16, Held::kI8})
        expect_matches_double(table(), held, group, head_dim, nullptr, 0);
}

TEST_P(DecodeAttention, AddsTheSlopeOfEachHead) {
  constexpr float kSlopes[] = {0.5f, 0.25f, 0.0f, 0.00390625f, -0.125f, 1.0f, 0.1f, 0.3f, 0.7f};
  for (const int64_t group : {1, 2, 4, 5, 9})
    for (const int64_t head_dim : {1, 14, 64, 128})
      for (const int64_t position : {35, 36, 40})  // the last visible key, and later ones
        for (const Held held : {Held::kF32, Held::kF16, Held::kI8})
          expect_matches_double(table(), held, group, head_dim, kSlopes, position);
}

ISTHMUS_FOR_EACH_TABLE(DecodeAttention);

class CachedRows : public KernelTest {};

TEST_P(CachedRows, HalvesAreTheNearestAndStayFinite) {
  for (const int64_t dim : kSizes) {
    const int64_t stride = dim + 3;
    Floats x = random_floats(2 * stride, static_cast<uint64_t>(dim), 300);
    x[0] = 1e9f;
    x[stride] = -1e-7f;
    if (dim > 1) x[1] = NAN;
    std::vector<uint16_t> y(static_cast<size_t>(2 * stride), 0x1234);
    table().narrow_rows_f16({x.data(), stride, 2, dim, y.data(), stride, nullptr});
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t i = 0; i < stride; ++i) {
        const uint16_t found = y[static_cast<size_t>(r * stride + i)];
        const float value = x[r * stride + i];
        if (i >= dim)
          EXPECT_EQ(found, 0x1234) << "wrote past the row";
        else if (std::isnan(value))
          EXPECT_TRUE(std::isnan(half_to_float(found)));
        else
          EXPECT_EQ(half_to_float(found), half_to_float(float_to_half(std::min(value, 65504.0f))));
      }
  }
}

TEST_P(CachedRows, BytesAreTheNearestOf255Steps) {
  for (const int64_t dim : kSizes) {
    const int64_t stride = dim + 3;
    const Floats x = random_floats(3 * stride, static_cast<uint64_t>(dim), 7);
    std::vector<int8_t> y(static_cast<size_t>(3 * stride), 99);
    Floats scales(3), back(3 * dim);
    table().narrow_rows_i8({x.data(), stride, 3, dim, y.data(), stride, scales.data()});
    table().widen_rows_i8({y.data(), stride, 3, dim, scales.data(), back.data()});
    for (int64_t r = 0; r < 3; ++r) {
      double largest = 0;
      for (int64_t i = 0; i < dim; ++i)
        largest = std::max(largest, std::abs(static_cast<double>(x[r * stride + i])));
      ASSERT_NEAR(scales[r], largest / 127, 1e-6 * largest);
      for (int64_t i = 0; i < dim; ++i) {
        const int8_t q = y[static_cast<size_t>(r * stride + i)];
        ASSERT_NEAR(q * static_cast<double>(scales[r]), x[r * stride + i], 0.5001 * scales[r]);
        ASSERT_EQ(back[r * dim + i], static_cast<float>(q) * scales[r]);
      }
      for (int64_t i = dim; i < stride; ++i) ASSERT_EQ(y[static_cast<size_t>(r * stride + i)], 99);
    }
  }
}

TEST_P(CachedRows, ZerosStayZerosAndNanSpreads) {
  Floats x(3 * 20), scales(3), back(3 * 20);
  x[20 + 4] = NAN;
  x[2 * 20 + 19] = INFINITY;
  std::vector<int8_t> y(3 * 20);
  table().narrow_rows_i8({x.data(), 20, 3, 20, y.data(), 20, scales.data()});
  table().widen_rows_i8({y.data(), 20, 3, 20, scales.data(), back.data()});
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(back[i], 0);
    EXPECT_TRUE(std::isnan(back[20 + i]) && std::isnan(back[40 + i]));
  }
}

ISTHMUS_FOR_EACH_TABLE(CachedRows);

}  // namespace
}  // namespace isthmus::kernels
