#include <cstring>

#include "base/dtype.h"
#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

class Convert : public KernelTest {};

// All 65536 patterns, at an odd address, in pieces of every size below two vectors.
TEST_P(Convert, WideningIsExactForEveryPattern) {
  std::vector<char> bytes(2 * 65536 + 1);
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    std::memcpy(bytes.data() + 1 + 2 * bits, &half, 2);
  }
  Floats f16(65536), bf16(65536);
  for (int64_t at = 0, count = 1; at < 65536; at += count, count = count % 40 + 1) {
    count = std::min<int64_t>(count, 65536 - at);
    table().widen_f16({bytes.data() + 1 + 2 * at, f16.data() + at, count});
    table().widen_bf16({bytes.data() + 1 + 2 * at, bf16.data() + at, count});
  }
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float half = half_to_float(static_cast<uint16_t>(bits));
    const float bfloat = bfloat16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(half)) {
      EXPECT_TRUE(std::isnan(f16[bits])) << bits;
    } else {
      EXPECT_EQ(std::signbit(f16[bits]), std::signbit(half)) << bits;
      EXPECT_EQ(f16[bits], half) << bits;
    }
    EXPECT_EQ(std::memcmp(&bf16.data()[bits], &bfloat, 4), 0) << bits;
  }
}

TEST_P(Convert, NarrowingRoundsToNearestEvenAndKeepsNan) {
  const float special[] = {0.0f,   -0.0f,        1.0f + 0x1p-8f, 1.0f + 0x3p-8f,
                           1e-40f, -1e-40f,      INFINITY,       -INFINITY,
                           NAN,    3.4028235e38f};
  for (const int64_t size : kSizes) {
    Floats x = random_floats(size, 1, 1e4);
    for (int64_t i = 0; i < std::min<int64_t>(size, std::size(special)); ++i) x[i] = special[i];
    std::vector<char> bytes(static_cast<size_t>(2 * size) + 3, '\x55');
    table().narrow_bf16({x.data(), bytes.data() + 1, size});
    for (int64_t i = 0; i < size; ++i) {
      uint16_t bits;
      std::memcpy(&bits, bytes.data() + 1 + 2 * i, 2);
      EXPECT_EQ(bits, float_to_bfloat16(x[i])) << x[i];
    }
    EXPECT_EQ(bytes[0], '\x55');
    EXPECT_EQ(bytes[static_cast<size_t>(2 * size) + 1], '\x55');
  }
}

ISTHMUS_FOR_EACH_TABLE(Convert);

}  // namespace
}  // namespace isthmus::kernels
