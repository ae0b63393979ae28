#include <gtest/gtest.h>

#include "kernels/table.h"

namespace isthmus::kernels {
namespace {

// With factors of one every round adds the same to the sum, so that it tells how many there were.
void expect_every_round_counts(Peak peak, const char* name) {
  constexpr int64_t kRounds = 1000;
  const auto sum_after = [&](int64_t rounds) {
    float values[3] = {1, 1, 1};
    EXPECT_EQ(peak({rounds, values}), rounds * (peak({kRounds, values}) / kRounds));
    values[0] = 1;
    peak({rounds, values});
    return values[0];
  };
  const float once = sum_after(kRounds), twice = sum_after(2 * kRounds),
              thrice = sum_after(3 * kRounds);
  EXPECT_GT(twice, once) << name;
  EXPECT_EQ(twice - once, thrice - twice) << name;
}

TEST(Peak, OfFloatsDoesEveryRound) {
  for (const KernelTable* table : supported_tables())
    expect_every_round_counts(table->peak, table->name);
}

TEST(Peak, OfBytesDoesEveryRound) {
  for (const QuantisedTable* table : supported_quantised_tables())
    expect_every_round_counts(table->peak, table->name);
}

}  // namespace
}  // namespace isthmus::kernels
