#include <cstring>

#include "base/dtype.h"
#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

class Matvec : public KernelTest {};

TEST_P(Matvec, MatchesDoubleForAllTypesAndRowCounts) {
  struct Case {
    void (*kernel)(const MatvecArgs&);
    DType dtype;
  };
  const Case cases[] = {{table().matvec_f32, DType::kF32},
                        {table().matvec_f16, DType::kF16},
                        {table().matvec_bf16, DType::kBF16}};
  for (const Case& c : cases) {
    for (const int64_t cols : {1, 7, 8, 9, 31, 100, 1027}) {
      constexpr int64_t kRows = 7;
      const int64_t w_stride = cols + 3, x_stride = cols + 2;
      const auto bytes_each = static_cast<int64_t>(size_of(c.dtype));
      const Floats values = random_floats(kRows * w_stride, 1), bias = random_floats(kRows, 2);
      std::vector<char> w(static_cast<size_t>(values.size() * bytes_each) + 1);
      Floats stored = values;
      for (int64_t i = 0; i < values.size(); ++i) {
        char* to = w.data() + 1 + i * bytes_each;  // an odd address
        if (c.dtype == DType::kF32) {
          std::memcpy(to, &values.data()[i], 4);
          continue;
        }
        const uint16_t bits =
            c.dtype == DType::kF16 ? float_to_half(values[i]) : float_to_bfloat16(values[i]);
        std::memcpy(to, &bits, 2);
        stored[i] = c.dtype == DType::kF16 ? half_to_float(bits) : bfloat16_to_float(bits);
      }
      for (int64_t m = 1; m <= kMatvecMaxRows; ++m) {
        const Floats x = random_floats(m * x_stride, 3);
        Floats y(m * 20, NAN);
        c.kernel({x.data(), m, x_stride, w.data() + 1, kRows, cols, w_stride,
                  m % 2 ? bias.data() : nullptr, y.data(), 20});
        for (int64_t j = 0; j < m; ++j) {
          for (int64_t r = 0; r < kRows; ++r) {
            double sum = m % 2 ? bias[r] : 0.0, magnitude = 1;
            for (int64_t i = 0; i < cols; ++i) {
              sum += static_cast<double>(x[j * x_stride + i]) * stored[r * w_stride + i];
              magnitude +=
                  std::abs(static_cast<double>(x[j * x_stride + i]) * stored[r * w_stride + i]);
            }
            ASSERT_NEAR(y[j * 20 + r], sum, 3e-7 * magnitude)
                << name_of(c.dtype) << " m " << m << " cols " << cols;
          }
          EXPECT_TRUE(std::isnan(y[j * 20 + kRows])) << "wrote past the row";
        }
      }
    }
  }
}

ISTHMUS_FOR_EACH_TABLE(Matvec);

}  // namespace
}  // namespace isthmus::kernels
