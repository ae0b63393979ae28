// Products with 4- and 8-bit weights against double sums of the very numbers the blocks hold.
#include <cstring>

#include "base/dtype.h"
#include "kernel_test.h"

namespace isthmus::kernels {
namespace {

class Quantised : public ::testing::TestWithParam<const QuantisedTable*> {
 protected:
  const QuantisedTable& table() const { return *GetParam(); }
};

void fill(Q4Block& block, Rng& rng) {
  for (int64_t r = 0; r < kGroupRows; ++r) {
    block.d[r] = float_to_half(static_cast<float>(0.001 + 0.01 * rng.uniform()));
    block.dmin[r] = float_to_half(static_cast<float>(0.02 * rng.uniform()));
    for (int64_t s = 0; s < kSubBlocks; ++s) {
      block.scale[s][r] = static_cast<uint8_t>(64 * rng.uniform());
      block.min[s][r] = static_cast<uint8_t>(64 * rng.uniform());
    }
  }
  for (auto& i : block.q)
    for (auto& k : i)
      for (uint8_t& q : k) q = static_cast<uint8_t>(256 * rng.uniform());
}

void fill(Q8Block& block, Rng& rng) {
  for (auto& s : block.d)
    for (uint16_t& d : s) d = float_to_half(static_cast<float>(0.001 + 0.01 * rng.uniform()));
  for (auto& s : block.q)
    for (auto& k : s)
      for (uint8_t& q : k) q = static_cast<uint8_t>(1 + 255 * rng.uniform());
}

double weight(const Q4Block& b, int64_t row, int64_t column) {
  const int64_t s = column / kSubDepth, i = column % kSubDepth;
  const int both = b.q[s / 2][i / 4][4 * row + i % 4];
  return static_cast<double>(half_to_float(b.d[row])) * b.scale[s][row] *
             (s % 2 != 0 ? both >> 4 : both & 15) -
         static_cast<double>(half_to_float(b.dmin[row])) * b.min[s][row];
}

double weight(const Q8Block& b, int64_t row, int64_t column) {
  const int64_t s = column / kSubDepth, i = column % kSubDepth;
  return static_cast<double>(half_to_float(b.d[s][row])) *
         (b.q[s][i / 4][4 * row + i % 4] - kQ8Offset);
}

template <class Block>
void expect_products(const QuantisedTable& table, void (*multiply)(const QuantisedProductArgs&)) {
  for (const int64_t groups : {1, 2, 5}) {
    const int64_t rows = 16 * groups - 3, depth_blocks = 3;
    std::vector<Block> blocks(static_cast<size_t>(groups * depth_blocks));
    Rng rng(static_cast<uint64_t>(groups));
    for (Block& block : blocks) fill(block, rng);
    const Floats bias = random_floats(rows, 2);
    for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 13, 96}) {
      const int64_t depth = depth_blocks * kBlockDepth;
      const Floats x = random_floats(m * depth, 3);
      std::vector<QuantisedColumns> columns(static_cast<size_t>(m * depth_blocks));
      table.quantise_rows({x.data(), depth, m, depth, columns.data()});
      const int64_t stride = rows + 2;
      Floats y(m * stride, NAN);
      multiply({blocks.data(), groups, rows, depth_blocks, columns.data(), m,
                m % 2 ? bias.data() : nullptr, y.data(), stride});
      for (int64_t j = 0; j < m; ++j) {
        for (int64_t r = 0; r < rows; ++r) {
          double sum = m % 2 ? bias[r] : 0, magnitude = 1;
          for (int64_t k = 0; k < depth; ++k) {
            const QuantisedColumns& c =
                columns[static_cast<size_t>(j * depth_blocks + k / kBlockDepth)];
            const Block& b = blocks[static_cast<size_t>(r / 16 * depth_blocks + k / kBlockDepth)];
            const double product = static_cast<double>(c.scale) * c.q[k % kBlockDepth] *
                                   weight(b, r % 16, k % kBlockDepth);
            sum += product;
            magnitude += std::abs(product);
          }
          ASSERT_NEAR(y[j * stride + r], sum, 4e-7 * magnitude) << "m " << m << " row " << r;
        }
        EXPECT_TRUE(std::isnan(y[j * stride + rows])) << "wrote past the row";
      }
    }
  }
}

TEST_P(Quantised, FourBitProductsMatchDouble) {
  expect_products<Q4Block>(table(), table().multiply_q4);
}
TEST_P(Quantised, EightBitProductsMatchDouble) {
  expect_products<Q8Block>(table(), table().multiply_q8);
}

TEST_P(Quantised, RowsAreRoundedToTheNearestOf255Steps) {
  for (const int64_t depth : {1, 31, 256, 300, 1000}) {
    const Floats x = random_floats(2 * depth, 7, 5);
    const int64_t blocks = (depth + kBlockDepth - 1) / kBlockDepth;
    std::vector<QuantisedColumns> out(static_cast<size_t>(2 * blocks)), generic(out);
    table().quantise_rows({x.data(), depth, 2, depth, out.data()});
    supported_quantised_tables().back()->quantise_rows({x.data(), depth, 2, depth, generic.data()});
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t b = 0; b < blocks; ++b) {
        const QuantisedColumns& c = out[static_cast<size_t>(r * blocks + b)];
        const QuantisedColumns& g = generic[static_cast<size_t>(r * blocks + b)];
        EXPECT_EQ(std::memcmp(c.q, g.q, sizeof c.q), 0) << "differs between instruction sets";
        EXPECT_EQ(std::memcmp(c.sums, g.sums, sizeof c.sums), 0);
        for (int64_t i = 0; i < kBlockDepth; ++i) {
          const int64_t at = b * kBlockDepth + i;
          const double value = at < depth ? x[r * depth + at] : 0;
          ASSERT_NEAR(c.q[i] * static_cast<double>(c.scale), value, 0.501 * c.scale);
        }
      }
  }
}

template <class Block>
void expect_same_blocks(void (*quantise)(const QuantiseWeightsArgs&),
                        void (*generic)(const QuantiseWeightsArgs&),
                        void (*dequantise)(const DequantiseArgs&), double tolerance) {
  const Floats values = random_floats(16 * 300, 9, 0.1);
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{16, 300}, {16, 256}, {5, 44}}) {
    std::vector<Block> block(1), other(1);
    quantise({values.data(), 300, rows, cols, block.data()});
    generic({values.data(), 300, rows, cols, other.data()});
    EXPECT_EQ(std::memcmp(block.data(), other.data(), sizeof(Block)), 0)
        << "differs between instruction sets";
    Floats back(16 * kBlockDepth);
    dequantise({block.data(), back.data(), kBlockDepth});
    for (int64_t r = 0; r < 16; ++r)
      for (int64_t k = 0; k < kBlockDepth; ++k)
        // Columns that are not there count for nothing: x is 0 in them.
        ASSERT_NEAR(back[r * kBlockDepth + k], r < rows && k < cols ? values[r * 300 + k] : 0,
                    r < rows ? tolerance : 0)
            << r << " " << k;
  }
}

TEST_P(Quantised, WeightsBecomeTheSameBlocksEverywhere) {
  const QuantisedTable& generic = *supported_quantised_tables().back();
  // Half a step, and what scales of 6 bits and halves lose.
  expect_same_blocks<Q4Block>(table().quantise_q4, generic.quantise_q4, table().dequantise_q4,
                              0.1 * 2 / 15 * 0.85);
  expect_same_blocks<Q8Block>(table().quantise_q8, generic.quantise_q8, table().dequantise_q8,
                              0.1 / 127 * 0.6);
}

TEST_P(Quantised, ZerosStayZerosAndNanSpreads) {
  std::vector<float> x(2 * kBlockDepth, 0.0f);
  x[kBlockDepth + 3] = NAN;
  std::vector<QuantisedColumns> columns(2);
  table().quantise_rows({x.data(), kBlockDepth, 2, kBlockDepth, columns.data()});
  std::vector<Q8Block> block(1);
  Rng rng(1);
  fill(block[0], rng);
  std::vector<float> y(32, 1);
  table().multiply_q8({block.data(), 1, 16, 1, columns.data(), 2, nullptr, y.data(), 16});
  for (int r = 0; r < 16; ++r) {
    EXPECT_EQ(y[static_cast<size_t>(r)], 0);
    EXPECT_TRUE(std::isnan(y[static_cast<size_t>(16 + r)]));
  }
}

INSTANTIATE_TEST_SUITE_P(AllTables, Quantised, ::testing::ValuesIn(supported_quantised_tables()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace isthmus::kernels
