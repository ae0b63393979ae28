#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "alignment/cka.h"
#include "alignment/comparison.h"
#include "alignment/generator.h"
#include "alignment/golden.h"
#include "alignment/resampling.h"

namespace isthmus::alignment {
namespace {

using nlohmann::json;

json json_of_interval(const Interval& interval) { return {interval.low, interval.high}; }

TEST(SplitMix64, GivesThePublishedStream) {
  // The first outputs for seed 1234567, as other implementations of the generator print them.
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

TEST(SplitMix64, NumbersBelowAreTheHighHalfOfTheProduct) {
  SplitMix64 a(3), b(3), c(5), d(5);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(static_cast<uint64_t>(a.below(int64_t{1} << 40)), b.next() >> 24);
    EXPECT_EQ(static_cast<uint64_t>(c.below(int64_t{1} << 62)), d.next() >> 2);
  }
}

TEST(RowBudget, FollowsFromTheItemAndTheSeedAlone) {
  const auto rows = rows_within_budget("picture 7", 576, 32, 0);
  EXPECT_EQ(rows.size(), 32u);
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
  EXPECT_EQ(std::set<int64_t>(rows.begin(), rows.end()).size(), 32u);
  EXPECT_EQ(rows, rows_within_budget("picture 7", 576, 32, 0));
  EXPECT_NE(rows, rows_within_budget("picture 8", 576, 32, 0));
  EXPECT_NE(rows, rows_within_budget("picture 7", 576, 32, 1));
  EXPECT_EQ(rows_within_budget("short", 3, 32, 0), (std::vector<int64_t>{0, 1, 2}));
}

TEST(PairedComparison, EqualsTheReference) {
  check_cases("paired_comparison", [](const Case& golden) {
    const Input a = golden.input("a"), b = golden.input("b");
    const json& params = golden.params();
    const Resampling resampling{params["bootstrap_samples"], params["bootstrap_seed"]};
    const PairedComparison result = paired_comparison(
        a.numbers, b.numbers, resampling, {params["signflip_samples"], params["signflip_seed"]});
    SplitMix64 random(resampling.seed);
    auto first = draw_resample(random, std::ssize(a.numbers));
    first.resize(8);
    return json{{"mean_a", result.mean_a},
                {"mean_b", result.mean_b},
                {"mean_difference", result.mean_difference},
                {"first_indices", first},
                {"bootstrap_mean_a_ci95", json_of_interval(result.mean_a_ci95)},
                {"bootstrap_difference_ci95", json_of_interval(result.difference_ci95)},
                {"t", json_of(result.t)},
                {"t_df", result.t_df},
                {"t_p", json_of(result.t_p)},
                {"signflip_p", result.signflip_p},
                {"cohen_dz", json_of(result.cohen_dz)}};
  });
}

TEST(PairedComparison, EqualValuesShowNoDifference) {
  const std::vector<double> a = {1, 2, 3};
  const PairedComparison result = paired_comparison(a, a);
  EXPECT_EQ(result.mean_difference, 0);
  EXPECT_EQ(result.signflip_p, 1);
  EXPECT_EQ(result.t.reason, Reason::kZeroVariance);
  EXPECT_EQ(result.smallest_shown.number, 0);
}

TEST(SignFlip, OfAllSignsEqualsTheReference) {
  check_cases("exact_signflip", [](const Case& golden) {
    return json{{"p", signflip_p(golden.input("d").numbers)}};
  });
}

TEST(Holm, EqualsTheReference) {
  check_cases("holm", [](const Case& golden) {
    return json{{"adjusted", holm(golden.params()["p"].get<std::vector<double>>())}};
  });
}

TEST(Holm, KeepsTheOrderAndStopsAtOne) {
  EXPECT_EQ(holm(std::vector{0.6, 0.01, 0.7}), (std::vector{1.0, 0.03, 1.0}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(McNemar, IsTheExactBinomialTest) {
  EXPECT_EQ(mcnemar_p(0, 0), 1);
  EXPECT_EQ(mcnemar_p(3, 3), 1);
  EXPECT_NEAR(mcnemar_p(0, 5), 2.0 / 32, 1e-15);
  EXPECT_NEAR(mcnemar_p(1, 5), 2 * 7.0 / 64, 1e-15);
  EXPECT_NEAR(mcnemar_p(10000, 10000), 1, 1e-12);
}

TEST(StudentT, EqualsTheTables) {
  EXPECT_NEAR(student_t_p(12.706204736, 1), 0.05, 1e-9);
  EXPECT_NEAR(student_t_p(2.228138852, 10), 0.05, 1e-9);
  EXPECT_NEAR(student_t_p(-1.959963985, 1e8), 0.05, 1e-7);
  EXPECT_EQ(student_t_p(0, 4), 1);
}

// Row i of the result is row chosen[i].
OwnedRows chosen_rows(const Rows& rows, std::span<const int64_t> chosen) {
  OwnedRows result{{}, std::ssize(chosen), rows.cols()};
  for (const int64_t r : chosen)
    for (int64_t c = 0; c < rows.cols(); ++c) result.data.push_back(rows.at(r, c));
  return result;
}

TEST(HalfSample, EqualsTheReference) {
  check_cases("half_sample_error", [](const Case& golden) {
    const Input x = golden.input("x"), y = golden.input("y");
    const json& params = golden.params();
    EXPECT_EQ(params["statistic"], "cka_debiased");
    const HalfSample result = half_sample(x.rows().rows(),
                                          [&](std::span<const int64_t> chosen) {
                                            return linear_cka(chosen_rows(x.rows(), chosen).view(),
                                                              chosen_rows(y.rows(), chosen).view())
                                                .cka_debiased;
                                          },
                                          {params["samples"], params["seed"]});
    SplitMix64 random(params["seed"].get<uint64_t>());
    json found = json_of(result.named());
    found["first_subset"] = draw_subset(random, x.rows().rows(), x.rows().rows() / 2);
    return found;
  });
}

TEST(HalfSample, AStatisticWithoutValueHasNoError) {
  const HalfSample result =
      half_sample(6, [](std::span<const int64_t>) { return Value(Reason::kZeroVariance); });
  EXPECT_EQ(result.standard_error.reason, Reason::kZeroVariance);
  EXPECT_EQ(half_sample(1, [](auto) { return Value(1.0); }).mean.reason, Reason::kTooFewSamples);
}

// Tokens of an item come and go together.
TEST(Bootstrap, OfItemsWithTheirTokensEqualsTheReference) {
  check_cases("item_bootstrap", [](const Case& golden) {
    struct Item {
      double media = 0, media_rows = 0, text = 0, text_rows = 0;
    };
    std::map<int64_t, Item> by_id;
    const Input media = golden.input("media"), text = golden.input("text");
    const auto norm = [](const Rows& rows, int64_t r) {
      double sum = 0;
      for (int64_t c = 0; c < rows.cols(); ++c) sum += rows.at(r, c) * rows.at(r, c);
      return std::sqrt(sum);
    };
    const auto media_item = golden.input("media_item").integers;
    for (size_t r = 0; r < media_item.size(); ++r) {
      Item& item = by_id[media_item[r]];
      item.media += norm(media.rows(), static_cast<int64_t>(r));
      item.media_rows += 1;
    }
    const auto text_item = golden.input("text_item").integers;
    for (size_t r = 0; r < text_item.size(); ++r) {
      Item& item = by_id[text_item[r]];
      item.text += norm(text.rows(), static_cast<int64_t>(r));
      item.text_rows += 1;
    }
    std::vector<Item> items;
    for (const auto& [id, item] : by_id) items.push_back(item);
    const auto ratio = [&](std::span<const int64_t> chosen) {
      Item sum;
      for (const int64_t i : chosen) {
        const Item& item = items[static_cast<size_t>(i)];
        sum.media += item.media;
        sum.media_rows += item.media_rows;
        sum.text += item.text;
        sum.text_rows += item.text_rows;
      }
      return std::vector{(sum.media / sum.media_rows) / (sum.text / sum.text_rows)};
    };
    const json& params = golden.params();
    std::vector<int64_t> all;
    for (int64_t i = 0; i < std::ssize(items); ++i) all.push_back(i);
    const auto intervals = bootstrap(std::ssize(items), ratio,
                                     {params["bootstrap_samples"], params["bootstrap_seed"]});
    return json{{"estimate", ratio(all)[0]}, {"ci95", json_of_interval(intervals[0])}};
  });
}

TEST(Bootstrap, MeansCoverTheirStandardError) {
  SplitMix64 random(1);
  std::vector<double> values;
  for (int i = 0; i < 2000; ++i) values.push_back(std::ldexp(double(random.next() >> 11), -53));
  double mean = 0;
  for (const double value : values) mean += value / 2000;
  // Uniform on [0, 1): standard error sqrt(1/12/2000) = 0.00645.
  const Interval interval = bootstrap_mean(values);
  EXPECT_NEAR(interval.low, mean - 1.96 * 0.00645, 0.001);
  EXPECT_NEAR(interval.high, mean + 1.96 * 0.00645, 0.001);
}

}  // namespace
}  // namespace isthmus::alignment
