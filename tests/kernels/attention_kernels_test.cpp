#include <limits>

#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

class DecodeAttention : public KernelTest {};

// One group of heads over keys [3, 36) of 37, without and with slopes, against a loop in double.
void expect_matches_double(const KernelTable& table, int64_t group, int64_t head_dim,
                           const float* slopes, int64_t position) {
  constexpr int64_t kKeys = 37, kBegin = 3, kEnd = 36;
  constexpr float kScale = 0.3f;
  const int64_t stride = head_dim + 7, q_stride = head_dim + 1, out_stride = head_dim + 2;
  const Floats query = random_floats(group * q_stride, 1), key = random_floats(kKeys * stride, 2);
  const Floats value = random_floats(kKeys * stride, 3);
  Floats scores(group * (kEnd - kBegin)), out(group * out_stride, NAN), highest(group), sum(group);
  table.decode_attention({query.data(), q_stride, group, key.data(), stride, value.data(), stride,
                          kBegin, kEnd, head_dim, kScale, scores.data(), out.data(), out_stride,
                          highest.data(), sum.data(), slopes, position});
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
      expect_matches_double(table(), group, head_dim, nullptr, 0);
}

TEST_P(DecodeAttention, AddsTheSlopeOfEachHead) {
  constexpr float kSlopes[] = {0.5f, 0.25f, 0.0f, 0.00390625f, -0.125f, 1.0f, 0.1f, 0.3f, 0.7f};
  for (const int64_t group : {1, 2, 4, 5, 9})
    for (const int64_t head_dim : {1, 14, 64, 128})
      for (const int64_t position : {35, 36, 40})  // the last visible key, and later ones
        expect_matches_double(table(), group, head_dim, kSlopes, position);
}

ISTHMUS_FOR_EACH_TABLE(DecodeAttention);

}  // namespace
}  // namespace isthmus::kernels
