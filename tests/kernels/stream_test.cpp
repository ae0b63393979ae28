#include "kernels/stream.h"

#include <cstring>

#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

struct Sizes {
  int64_t rows, depth, stored_rows;  // of x, of both, of w
};
constexpr Sizes kProducts[] = {{1, 1, 1},   {3, 8, 4},   {4, 16, 12},  {5, 17, 13},
                               {8, 31, 48}, {15, 9, 25}, {16, 40, 11}, {32, 129, 51}};

class Stream : public KernelTest {};

// y[j · y_stride + r] of x · wᵀ against double, with x packed into one panel of `vectors` vectors.
void expect_product(const StreamTable& stream, const Sizes& s, int64_t vectors, bool accumulate) {
  const int64_t x_stride = s.depth + 5, w_stride = s.depth + 3, y_stride = s.stored_rows + 2;
  const Floats x = random_floats(s.rows * x_stride, 1), w = random_floats(s.stored_rows * w_stride, 2);
  const Floats bias = random_floats(s.stored_rows, 4);
  std::vector<char> unaligned(static_cast<size_t>(w.size()) * sizeof(float) + 1);
  std::memcpy(unaligned.data() + 1, w.data(), static_cast<size_t>(w.size()) * sizeof(float));
  const Floats before = accumulate ? random_floats(s.rows * y_stride, 3)
                                   : Floats(s.rows * y_stride, NAN);
  Floats y = before, panel(s.depth * vectors * stream.width, NAN);
  stream.pack_panel({x.data(), x_stride, s.rows, s.depth, vectors, panel.data()});
  stream.multiply({unaligned.data() + 1, w_stride, s.stored_rows, s.depth, panel.data(), vectors,
                   s.rows, y.data(), y_stride, accumulate, accumulate ? bias.data() : nullptr});
  for (int64_t j = 0; j < s.rows; ++j) {
    for (int64_t r = 0; r < s.stored_rows; ++r) {
      double sum = accumulate ? static_cast<double>(before[j * y_stride + r]) + bias[r] : 0;
      double magnitude = 2;
      for (int64_t k = 0; k < s.depth; ++k) {
        const double product = static_cast<double>(x[j * x_stride + k]) * w[r * w_stride + k];
        sum += product;
        magnitude += std::abs(product);
      }
      ASSERT_NEAR(y[j * y_stride + r], sum, 1e-6 * magnitude)
          << s.rows << "x" << s.depth << "x" << s.stored_rows;
    }
    for (int64_t r = s.stored_rows; r < y_stride; ++r)
      ASSERT_EQ(std::isnan(y[j * y_stride + r]), std::isnan(before[j * y_stride + r]))
          << "wrote past the row";
  }
}

TEST_P(Stream, MatchesDoubleForEveryPanel) {
  const StreamTable& stream = table().stream;
  for (const Sizes& s : kProducts)
    for (int64_t vectors = 1; vectors <= kStreamMaxVectors; ++vectors)
      for (const bool accumulate : {false, true})
        if (s.rows <= vectors * stream.width) expect_product(stream, s, vectors, accumulate);
}

ISTHMUS_FOR_EACH_TABLE(Stream);

}  // namespace
}  // namespace isthmus::kernels
