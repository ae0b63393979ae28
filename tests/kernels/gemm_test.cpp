#include <algorithm>
#include <cstring>

#include "base/dtype.h"
#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

struct Sizes {
  int64_t rows, cols, depth;
};
constexpr Sizes kProducts[] = {{1, 1, 1},  {7, 9, 8},    {12, 32, 16}, {13, 33, 17},
                               {25, 7, 9}, {31, 65, 31}, {6, 16, 100}, {40, 40, 129}};

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Compares C = start + A · B + bias with double; `b` is cols × depth.
void expect_product(const Sizes& s, const Floats& a, int64_t a_stride, const Floats& b,
                    const Floats& start, const float* bias, const Floats& c, int64_t c_stride,
                    double tolerance) {
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t n = 0; n < s.cols; ++n) {
      double sum =
                 static_cast<double>(start[r * c_stride + n]) + (bias != nullptr ? bias[n] : 0.0f),
             magnitude = 2;
      for (int64_t k = 0; k < s.depth; ++k) {
        const double product = static_cast<double>(a[r * a_stride + k]) * b[n * s.depth + k];
        sum += product;
        magnitude += std::abs(product);
      }
      ASSERT_NEAR(c[r * c_stride + n], sum, tolerance * magnitude)
          << s.rows << "x" << s.cols << "x" << s.depth;
    }
    if (r + 1 < s.rows) {
      ASSERT_EQ(c[r * c_stride + s.cols], start[r * c_stride + s.cols]) << "wrote past the row";
    }
  }
}

class Gemm : public KernelTest {};

TEST_P(Gemm, RowsByDepthPackAsRowsOfTheTransposeDo) {
  const GemmTable& gemm = table().gemm;
  for (const Sizes& s : kProducts) {
    const int64_t stride = s.rows + 3;
    const Floats stored = random_floats(s.depth * stride, 1);
    Floats transposed(s.rows * s.depth), want(s.rows * s.depth), found(s.rows * s.depth);
    for (int64_t r = 0; r < s.rows; ++r)
      for (int64_t k = 0; k < s.depth; ++k) transposed[r * s.depth + k] = stored[k * stride + r];
    gemm.pack_rows({transposed.data(), s.depth, s.rows, s.depth, want.data()});
    gemm.pack_rows_by_depth({stored.data(), stride, s.rows, s.depth, found.data()});
    for (int64_t i = 0; i < want.size(); ++i) ASSERT_EQ(found[i], want[i]) << s.rows << " " << i;
  }
}

TEST_P(Gemm, MatchesDoubleForAllTypesAndPackings) {
  const GemmTable& gemm = table().gemm;
  struct Case {
    void (*by_column)(const PackColumnsArgs&);
    void (*by_depth)(const PackColumnsArgs&);
    DType dtype;
  };
  const Case cases[] = {{gemm.pack_columns_f32, gemm.pack_by_depth_f32, DType::kF32},
                        {gemm.pack_columns_f16, gemm.pack_by_depth_f16, DType::kF16},
                        {gemm.pack_columns_bf16, gemm.pack_by_depth_bf16, DType::kBF16}};
  for (const Case& c : cases) {
    for (const Sizes& s : kProducts) {
      const auto bytes_each = static_cast<int64_t>(size_of(c.dtype));
      const int64_t a_stride = s.depth + 5, c_stride = s.cols + 3;
      const Floats a = random_floats(s.rows * a_stride, 1), bias = random_floats(s.cols, 4);
      Floats b = random_floats(s.cols * s.depth, 2);
      for (int64_t i = 0; i < b.size(); ++i) {
        if (c.dtype == DType::kF16) b[i] = half_to_float(float_to_half(b[i]));
        if (c.dtype == DType::kBF16) b[i] = bfloat16_to_float(float_to_bfloat16(b[i]));
      }
      for (const bool by_depth : {false, true}) {
        const int64_t row_stride = (by_depth ? s.cols : s.depth) + 1;
        std::vector<char> stored(
            static_cast<size_t>((by_depth ? s.depth : s.cols) * row_stride * bytes_each) + 1);
        for (int64_t n = 0; n < s.cols; ++n) {
          for (int64_t k = 0; k < s.depth; ++k) {
            const float value = b[n * s.depth + k];
            char* to = stored.data() + 1 +
                       (by_depth ? k * row_stride + n : n * row_stride + k) * bytes_each;
            const uint16_t bits =
                c.dtype == DType::kF16 ? float_to_half(value) : float_to_bfloat16(value);
            std::memcpy(to, c.dtype == DType::kF32 ? static_cast<const void*>(&value) : &bits,
                        static_cast<size_t>(bytes_each));
          }
        }
        Floats packed_a(s.rows * s.depth),
            packed_b(round_up(s.cols, gemm.tile_cols) * s.depth, NAN);
        gemm.pack_rows({a.data(), a_stride, s.rows, s.depth, packed_a.data()});
        (by_depth ? c.by_depth
                  : c.by_column)({stored.data() + 1, row_stride, s.cols, s.depth, packed_b.data()});
        for (const bool accumulate : {false, true}) {
          Floats start =
              accumulate ? random_floats(s.rows * c_stride, 3) : Floats(s.rows * c_stride);
          Floats out = start;
          gemm.block({packed_a.data(), packed_b.data(), gemm.tile_cols * s.depth, s.rows, s.cols,
                      s.depth, out.data(), c_stride, accumulate,
                      accumulate ? bias.data() : nullptr});
          expect_product(s, a, a_stride, b, start, accumulate ? bias.data() : nullptr, out,
                         c_stride, 1e-6);
        }
      }
    }
  }
}

ISTHMUS_FOR_EACH_TABLE(Gemm);

TEST(Bf16Gemm, MatchesDoubleOnRoundedRows) {
  const PackedGemm* gemm = bf16_gemm();
  if (gemm == nullptr) GTEST_SKIP() << "this CPU has no bfloat16 dot product";
  for (const Sizes& s : kProducts) {
    const int64_t a_stride = s.depth + 5, c_stride = s.cols + 3, words = (s.depth + 1) / 2;
    Floats a = random_floats(s.rows * a_stride, 1), b = random_floats(s.cols * s.depth, 2);
    std::vector<uint16_t> stored(static_cast<size_t>(s.cols * (s.depth + 1)),
                                 0x7fc0);  // NaN between the rows
    for (int64_t n = 0; n < s.cols; ++n) {
      for (int64_t k = 0; k < s.depth; ++k) {
        const uint16_t bits = float_to_bfloat16(b[n * s.depth + k]);
        stored[static_cast<size_t>(n * (s.depth + 1) + k)] = bits;
        b[n * s.depth + k] = bfloat16_to_float(bits);
      }
    }
    Floats packed_a(s.rows * words), packed_b(round_up(s.cols, gemm->tile_cols) * words, NAN);
    gemm->pack_rows({a.data(), a_stride, s.rows, s.depth, packed_a.data()});
    gemm->pack_columns({stored.data(), s.depth + 1, s.cols, s.depth, packed_b.data()});
    Floats start(s.rows * c_stride), out = start;
    gemm->block({packed_a.data(), packed_b.data(), gemm->tile_cols * words, s.rows, s.cols, words,
                 out.data(), c_stride, false, nullptr});
    for (int64_t i = 0; i < a.size(); ++i) a[i] = bfloat16_to_float(float_to_bfloat16(a[i]));
    expect_product(s, a, a_stride, b, start, nullptr, out, c_stride, 1e-6);
  }
}

// Two blocks of depth of whole steps, the last one of what is left.
template <class Store>
void expect_tile_product(const PackedGemm& gemm, const Sizes& s, bool by_depth, int64_t bytes_each, const Store& store) {
  const int64_t a_stride = s.depth + 5, c_stride = s.cols + 3, row_stride = (by_depth ? s.cols : s.depth) + 1;
  const Floats a = random_floats(s.rows * a_stride, 1), bias = random_floats(s.cols, 4);
  Floats b = random_floats(s.cols * s.depth, 2);
  std::vector<char> stored(static_cast<size_t>((by_depth ? s.depth : s.cols) * row_stride * bytes_each) + 1);
  for (int64_t n = 0; n < s.cols; ++n)
    for (int64_t k = 0; k < s.depth; ++k)
      b[n * s.depth + k] = store(b[n * s.depth + k],
                                 stored.data() + 1 + (by_depth ? k * row_stride + n : n * row_stride + k) * bytes_each);
  const int64_t rows = round_up(s.rows, gemm.tile_rows), cols = round_up(s.cols, gemm.tile_cols);
  const int64_t first = s.depth > gemm.step ? gemm.step : s.depth;
  Floats sums(rows * cols, NAN), c(s.rows * c_stride);
  const Floats start = c;
  for (int64_t k = 0; k < s.depth; k += k == 0 ? first : s.depth) {
    const int64_t depth = k == 0 ? first : s.depth - k, steps = (depth + gemm.step - 1) / gemm.step;
    Floats packed_a(rows * steps * gemm.row_words, NAN), packed_b(cols * steps * gemm.column_words, NAN);
    gemm.pack_rows({a.data() + k, a_stride, s.rows, depth, packed_a.data()});
    gemm.pack_columns({stored.data() + 1 + k * (by_depth ? row_stride : 1) * bytes_each, row_stride, s.cols, depth,
                       packed_b.data()});
    gemm.block({packed_a.data(), packed_b.data(), gemm.tile_cols * steps * gemm.column_words, s.rows, s.cols, steps,
                c.data(), c_stride, k > 0, bias.data(), sums.data(), k + depth == s.depth});
  }
  expect_product(s, a, a_stride, b, start, bias.data(), c, c_stride, 1e-6);
}

// float32's own tolerance: a float is multiplied in all its parts.
TEST(TileGemm, MatchesDoubleForAllTypesAndPackings) {
  const TileGemm* gemm = tile_gemm();
  if (gemm == nullptr) GTEST_SKIP() << "this CPU has no bfloat16 tiles";
  for (const Sizes& s : kProducts)
    for (const bool by_depth : {false, true}) {
      expect_tile_product(by_depth ? gemm->by_depth_f32 : gemm->f32, s, by_depth, 4, [](float value, char* to) {
        std::memcpy(to, &value, 4);
        return value;
      });
      expect_tile_product(by_depth ? gemm->by_depth_f16 : gemm->f16, s, by_depth, 2, [](float value, char* to) {
        const uint16_t bits = float_to_half(value);
        std::memcpy(to, &bits, 2);
        return half_to_float(bits);
      });
      expect_tile_product(by_depth ? gemm->by_depth_bf16 : gemm->bf16, s, by_depth, 2, [](float value, char* to) {
        const uint16_t bits = float_to_bfloat16(value);
        std::memcpy(to, &bits, 2);
        return bfloat16_to_float(bits);
      });
    }
}

}  // namespace
}  // namespace isthmus::kernels
