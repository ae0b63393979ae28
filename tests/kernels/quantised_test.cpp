// Products with 4- to 8-bit weights against double sums of the very numbers the blocks hold.
#include <algorithm>
#include <cstring>
#include <span>

#include "base/dtype.h"
#include "kernel_test.h"
#include "kernels/published_row.h"

namespace isthmus::kernels {

#ifdef ISTHMUS_AVX_VNNI_TEST
// The source of the set avx_vnni, compiled for the same instructions as AVX512VL and AVX512_VNNI
// have them.
extern const QuantisedTable kAvxVnniAsEvex;
#endif

namespace {

// Each set this processor can run; that of AVX_VNNI, if only so, as the source above.
std::vector<const QuantisedTable*> tables() {
  const auto supported = supported_quantised_tables();
  std::vector<const QuantisedTable*> all(supported.begin(), supported.end());
#ifdef ISTHMUS_AVX_VNNI_TEST
  const bool runs_itself =
      std::ranges::any_of(all, [](const auto* t) { return std::string(t->name) == "avx_vnni"; });
  const bool runs_as_evex =
      std::ranges::any_of(all, [](const auto* t) { return std::string(t->name) == "avx512"; });
  if (!runs_itself && runs_as_evex) all.insert(all.end() - 1, &kAvxVnniAsEvex);
#endif
  return all;
}

class Quantised : public ::testing::TestWithParam<const QuantisedTable*> {
 protected:
  const QuantisedTable& table() const { return *GetParam(); }
};

uint16_t random_half(Rng& rng, double low, double range) {
  return float_to_half(static_cast<float>(low + range * rng.uniform()));
}

void fill(std::span<uint8_t> bytes, Rng& rng) {
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(256 * rng.uniform());
}

// Numbers as a published file holds them; of all kinds at once.
PublishedRow random_row(Rng& rng, int levels, int lowest_scale, int scales) {
  PublishedRow row;
  for (uint16_t& d : row.d) d = random_half(rng, 0.001, 0.01);
  row.dmin = random_half(rng, 0, 0.02);
  for (int8_t& scale : row.scale)
    scale = static_cast<int8_t>(lowest_scale + static_cast<int>(scales * rng.uniform()));
  for (uint8_t& min : row.min) min = static_cast<uint8_t>(64 * rng.uniform());
  for (uint8_t& q : row.q) q = static_cast<uint8_t>(levels * rng.uniform());
  return row;
}

// How many levels, and which scales, a kind has.
template <class Block>
struct Range;
template <>
struct Range<Q4Block> {
  static constexpr int kLevels = 16, kLowestScale = 0, kScales = 64;
};
template <>
struct Range<Q5Block> {
  static constexpr int kLevels = 32, kLowestScale = 0, kScales = 64;
};
template <>
struct Range<Q6Block> {
  static constexpr int kLevels = 64, kLowestScale = -128, kScales = 256;
};
template <>
struct Range<Q8Block> {
  static constexpr int kLevels = 256, kLowestScale = 0, kScales = 1;
};

template <class Block>
PublishedRow random_row(Rng& rng) {
  return random_row(rng, Range<Block>::kLevels, Range<Block>::kLowestScale, Range<Block>::kScales);
}

double half(uint16_t bits) { return static_cast<double>(half_to_float(bits)); }

// The formulas of published_row.h.
double weight(const PublishedRow& row, int64_t column, const Q4Block*) {
  const int64_t s = column / 32;
  return half(row.d[0]) * row.scale[s] * row.q[column] - half(row.dmin) * row.min[s];
}
double weight(const PublishedRow& row, int64_t column, const Q5Block*) {
  return weight(row, column, static_cast<const Q4Block*>(nullptr));
}
double weight(const PublishedRow& row, int64_t column, const Q6Block*) {
  return half(row.d[0]) * row.scale[column / 16] * (row.q[column] - 32);
}
double weight(const PublishedRow& row, int64_t column, const Q8Block*) {
  return half(row.d[column / 32]) * (row.q[column] - 128);
}

// `rows` rows of depth_blocks blocks each, and the same in blocks.
template <class Block>
struct Weights {
  std::vector<PublishedRow> published;  // [row][depth block]
  std::vector<Block> blocks;            // [group][depth block]

  Weights(int64_t groups, int64_t depth_blocks, Rng& rng)
      : blocks(static_cast<size_t>(groups * depth_blocks)) {
    // What put_row must leave no trace of.
    for (Block& block : blocks) fill({reinterpret_cast<uint8_t*>(&block), sizeof block}, rng);
    for (int64_t r = 0; r < kGroupRows * groups; ++r)
      for (int64_t b = 0; b < depth_blocks; ++b) {
        published.push_back(random_row<Block>(rng));
        put_row(blocks[static_cast<size_t>(r / kGroupRows * depth_blocks + b)], r % kGroupRows,
                published.back());
      }
  }
};

// How far a weight in one of 256 columns may be from what its block holds: nothing, but for 8 bits on
// tiles, which round it to 1/128 of the largest scale among these columns, and that scale's share to
// 1/32767.
double rounding(const QuantisedTable& table, const PublishedRow& row, const Q8Block*) {
  if (std::string(table.name) != "amx") return 0;
  double largest = 0;
  for (const uint16_t d : row.d) largest = std::max(largest, half(d));
  return 1.25 * largest / 128;
}
template <class Block>
double rounding(const QuantisedTable&, const PublishedRow&, const Block*) {
  return 0;
}

template <class Block>
void expect_products(const QuantisedTable& table, const QuantisedKind& kind) {
  ASSERT_EQ(kind.block_bytes, sizeof(Block));
  for (const int64_t groups : {1, 2, 5}) {
    const int64_t rows = 16 * groups - 3, depth_blocks = 3;
    Rng rng(static_cast<uint64_t>(groups));
    const Weights<Block> weights(groups, depth_blocks, rng);
    const Floats bias = random_floats(rows, 2);
    for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 13, 16, 31, 33, 64, 79, 96, 200}) {
      if (m > table.most_rows) continue;
      const int64_t depth = depth_blocks * kBlockDepth;
      const Floats x = random_floats(m * depth, 3);
      std::vector<QuantisedColumns> columns(static_cast<size_t>(m * depth_blocks));
      table.quantise_rows({x.data(), depth, m, depth, columns.data(), m});
      const int64_t stride = rows + 2;
      Floats y(m * stride, NAN);
      kind.multiply({weights.blocks.data(), groups, rows, depth_blocks, columns.data(), m, m,
                     m % 2 ? bias.data() : nullptr, y.data(), stride});
      for (int64_t j = 0; j < m; ++j) {
        for (int64_t r = 0; r < rows; ++r) {
          double sum = m % 2 ? bias[r] : 0, magnitude = 1, rounded = 0;
          for (int64_t k = 0; k < depth; ++k) {
            const QuantisedColumns& c =
                columns[static_cast<size_t>(k / kBlockDepth * m + j)];
            const PublishedRow& row =
                weights.published[static_cast<size_t>(r * depth_blocks + k / kBlockDepth)];
            const double product = static_cast<double>(c.scale) * c.q[k % kBlockDepth] *
                                   weight(row, k % kBlockDepth, weights.blocks.data());
            sum += product;
            magnitude += std::abs(product);
            rounded += std::abs(static_cast<double>(c.scale) * c.q[k % kBlockDepth]) *
                       rounding(table, row, weights.blocks.data());
          }
          ASSERT_NEAR(y[j * stride + r], sum, 4e-7 * magnitude + rounded) << "m " << m << " row " << r;
        }
        EXPECT_TRUE(std::isnan(y[j * stride + rows])) << "wrote past the row";
      }
    }
  }
}

TEST_P(Quantised, FourBitProductsMatchDouble) { expect_products<Q4Block>(table(), table().q4); }
TEST_P(Quantised, FiveBitProductsMatchDouble) { expect_products<Q5Block>(table(), table().q5); }
TEST_P(Quantised, SixBitProductsMatchDouble) { expect_products<Q6Block>(table(), table().q6); }
TEST_P(Quantised, EightBitProductsMatchDouble) { expect_products<Q8Block>(table(), table().q8); }

// What llama.cpp makes of the same numbers, bit for bit: products in its order, in float.
template <class Block>
void expect_published_values(const QuantisedKind& kind) {
  Rng rng(5);
  const Weights<Block> weights(1, 1, rng);
  Floats values(kGroupRows * kBlockDepth);
  kind.dequantise({weights.blocks.data(), values.data(), kBlockDepth});
  for (int64_t r = 0; r < kGroupRows; ++r)
    for (int64_t k = 0; k < kBlockDepth; ++k) {
      const PublishedRow& row = weights.published[static_cast<size_t>(r)];
      const float d = half_to_float(row.d[0]);
      float expected;
      if constexpr (std::is_same_v<Block, Q8Block>)
        expected = static_cast<float>(row.q[k] - 128) * half_to_float(row.d[k / 32]);
      else if constexpr (std::is_same_v<Block, Q6Block>)
        expected = d * static_cast<float>(row.scale[k / 16]) * static_cast<float>(row.q[k] - 32);
      else
        expected = d * static_cast<float>(row.scale[k / 32]) * static_cast<float>(row.q[k]) -
                   half_to_float(row.dmin) * static_cast<float>(row.min[k / 32]);
      ASSERT_EQ(values[r * kBlockDepth + k], expected) << r << " " << k;
    }
}

TEST_P(Quantised, PublishedNumbersAreHeldWithoutLoss) {
  expect_published_values<Q4Block>(table().q4);
  expect_published_values<Q5Block>(table().q5);
  expect_published_values<Q6Block>(table().q6);
  expect_published_values<Q8Block>(table().q8);
}

TEST_P(Quantised, RowsAreRoundedToTheNearestOf255Steps) {
  for (const int64_t depth : {1, 31, 256, 300, 1000}) {
    const Floats x = random_floats(2 * depth, 7, 5);
    const int64_t blocks = (depth + kBlockDepth - 1) / kBlockDepth;
    std::vector<QuantisedColumns> out(static_cast<size_t>(2 * blocks)), generic(out);
    table().quantise_rows({x.data(), depth, 2, depth, out.data(), 2});
    supported_quantised_tables().back()->quantise_rows({x.data(), depth, 2, depth, generic.data(), 2});
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t b = 0; b < blocks; ++b) {
        const QuantisedColumns& c = out[static_cast<size_t>(2 * b + r)];
        const QuantisedColumns& g = generic[static_cast<size_t>(2 * b + r)];
        EXPECT_EQ(std::memcmp(c.q, g.q, sizeof c.q), 0) << "differs between instruction sets";
        EXPECT_EQ(std::memcmp(c.sums, g.sums, sizeof c.sums), 0);
        EXPECT_EQ(std::memcmp(c.half_sums, g.half_sums, sizeof c.half_sums), 0);
        for (int64_t i = 0; i < kBlockDepth; ++i) {
          const int64_t at = b * kBlockDepth + i;
          const double value = at < depth ? x[r * depth + at] : 0;
          ASSERT_NEAR(c.q[i] * static_cast<double>(c.scale), value, 0.501 * c.scale);
        }
      }
  }
}

template <class Block>
void expect_same_blocks(const QuantisedKind& kind, const QuantisedKind& generic, double tolerance) {
  const Floats values = random_floats(16 * 300, 9, 0.1);
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{16, 300}, {16, 256}, {5, 44}}) {
    std::vector<Block> block(1), other(1);
    kind.quantise({values.data(), 300, rows, cols, block.data()});
    generic.quantise({values.data(), 300, rows, cols, other.data()});
    EXPECT_EQ(std::memcmp(block.data(), other.data(), sizeof(Block)), 0)
        << "differs between instruction sets";
    Floats back(16 * kBlockDepth);
    kind.dequantise({block.data(), back.data(), kBlockDepth});
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
  // Half a step, and what scales of 6 or 8 bits and halves lose.
  expect_same_blocks<Q4Block>(table().q4, generic.q4, 0.1 * 2 / 15 * 0.85);
  expect_same_blocks<Q5Block>(table().q5, generic.q5, 0.1 * 2 / 31 * 1.1);
  expect_same_blocks<Q6Block>(table().q6, generic.q6, 0.1 / 32 * 1.1);
  expect_same_blocks<Q8Block>(table().q8, generic.q8, 0.1 / 127 * 0.6);
}

// The root of the mean squared error over that of the values, of a normal layer.
double relative_loss(const QuantisedKind& kind) {
  constexpr int64_t kBlocks = 8;
  Rng rng(11);
  double lost = 0, held = 0;
  std::vector<std::byte> storage(kind.block_bytes + 64);
  auto* block = storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64) % 64;
  for (int64_t b = 0; b < kBlocks; ++b) {
    Floats values(16 * kBlockDepth), back(16 * kBlockDepth);
    for (int64_t i = 0; i < values.size(); ++i) {
      const double u = 1 - rng.uniform(), v = rng.uniform();
      values[i] =
          static_cast<float>(0.02 * std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v));
    }
    kind.quantise({values.data(), kBlockDepth, 16, kBlockDepth, block});
    kind.dequantise({block, back.data(), kBlockDepth});
    for (int64_t i = 0; i < values.size(); ++i) {
      lost += std::pow(static_cast<double>(back[i]) - values[i], 2);
      held += std::pow(static_cast<double>(values[i]), 2);
    }
  }
  return std::sqrt(lost / held);
}

// llama.cpp's own quantisers (quantize_row_q*_K_ref) lose 0.0712, 0.0360 and 0.0178 of such
// weights: no more than a hundredth above that.
TEST_P(Quantised, LosesNoMoreThanThePublishedTypes) {
  EXPECT_LT(relative_loss(table().q4), 0.0712 * 1.01);
  EXPECT_LT(relative_loss(table().q5), 0.0360 * 1.01);
  EXPECT_LT(relative_loss(table().q6), 0.0178 * 1.01);
  EXPECT_LT(relative_loss(table().q8), 0.006);
}

TEST_P(Quantised, ZerosStayZerosAndNanSpreads) {
  std::vector<float> x(2 * kBlockDepth, 0.0f);
  x[kBlockDepth + 3] = NAN;
  std::vector<QuantisedColumns> columns(2);
  table().quantise_rows({x.data(), kBlockDepth, 2, kBlockDepth, columns.data(), 2});
  Rng rng(1);
  const Weights<Q8Block> q8(1, 1, rng);
  const Weights<Q6Block> q6(1, 1, rng);
  for (const auto& [kind, blocks] :
       {std::pair<const QuantisedKind&, const void*>{table().q8, q8.blocks.data()},
        {table().q6, q6.blocks.data()}}) {
    std::vector<float> y(32, 1);
    kind.multiply({blocks, 1, 16, 1, columns.data(), 2, 2, nullptr, y.data(), 16});
    for (int r = 0; r < 16; ++r) {
      EXPECT_EQ(y[static_cast<size_t>(r)], 0);
      EXPECT_TRUE(std::isnan(y[static_cast<size_t>(16 + r)]));
    }
  }
}

TEST(QuantisedSets, AvxVnniRunsHere) {
  const auto all = supported_quantised_tables();
  if (std::ranges::none_of(all, [](const auto* t) { return std::string(t->name) == "avx_vnni"; }))
    GTEST_SKIP() << "this processor has no AVX_VNNI; its source is tested as "
                 << (tables().size() > all.size() ? "AVX512VL and AVX512_VNNI encode it"
                                                  : "nothing: it has no AVX512_VNNI either");
  EXPECT_STREQ(table_for("avx_vnni").name, "avx2");
}

INSTANTIATE_TEST_SUITE_P(AllTables, Quantised, ::testing::ValuesIn(tables()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace isthmus::kernels
