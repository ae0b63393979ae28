#include "grammar/number_ranges.h"

#include <random>

#include <fmt/format.h>

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

std::shared_ptr<const Automaton> automaton_for(Expr expression) {
  Rules rules;
  rules.list.push_back({"root", std::move(expression)});
  return automaton_of(rules);
}

TEST(NumberRanges, IntegersAreThoseBetweenTheBounds) {
  std::vector<std::pair<int64_t, int64_t>> ranges = {{0, 0},     {0, 9},    {-1, 1},     {5, 5},
                                                     {7, 123},   {-20, -3}, {-1000, 99}, {99, 101},
                                                     {100, 999}, {-10, 0}};
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    const auto a = static_cast<int64_t>(random() % 2400) - 1200,
               b = static_cast<int64_t>(random() % 2400) - 1200;
    ranges.emplace_back(std::min(a, b), std::max(a, b));
  }
  for (const auto& [least, most] : ranges) {
    const auto automaton = automaton_for(integers_between(least, most));
    for (int64_t value = -1300; value <= 1300; ++value)
      EXPECT_EQ(accepts(automaton, std::to_string(value)), least <= value && value <= most)
          << value << " in " << least << " to " << most;
    EXPECT_FALSE(accepts(automaton, "007"));
    EXPECT_FALSE(accepts(automaton, ""));
    EXPECT_FALSE(accepts(automaton, "-"));
  }
}

TEST(NumberRanges, LargeIntegersHaveTheSameEdges) {
  const auto automaton = automaton_for(integers_between(-kLargestInteger, kLargestInteger));
  EXPECT_TRUE(accepts(automaton, "999999999999999999"));
  EXPECT_TRUE(accepts(automaton, "-999999999999999999"));
  EXPECT_FALSE(accepts(automaton, "1000000000000000000"));
  const auto narrow = automaton_for(integers_between(123456789012345678, 123456789012345680));
  EXPECT_FALSE(accepts(narrow, "123456789012345677"));
  EXPECT_TRUE(accepts(narrow, "123456789012345679"));
  EXPECT_FALSE(accepts(narrow, "123456789012345681"));
}

TEST(NumberRanges, DecimalsAreThoseBetweenTheBounds) {
  std::mt19937 random(2);
  const auto bound = [&](double value) { return DecimalBound::of(value, random() % 2 == 0); };
  for (int round = 0; round < 60; ++round) {
    // Hundredths, so that they and their sums are exact as integers.
    const int a = static_cast<int>(random() % 600) - 300,
              b = static_cast<int>(random() % 600) - 300;
    std::optional<DecimalBound> least, most;
    if (round % 5 != 0) least = bound(std::min(a, b) / 100.0);
    if (round % 7 != 0) most = bound(std::max(a, b) / 100.0);
    const Expr expression = numbers_between(least, most);
    if (!expression) {
      EXPECT_EQ(a, b);
      continue;
    }
    const auto automaton = automaton_for(expression);
    for (int value = -400; value <= 400; ++value) {
      const bool above =
          !least || value > std::min(a, b) || (value == std::min(a, b) && !least->exclusive);
      const bool below =
          !most || value < std::max(a, b) || (value == std::max(a, b) && !most->exclusive);
      const std::string whole = fmt::format("{}{}", value < 0 ? "-" : "", std::abs(value) / 100);
      std::vector<std::string> spellings = {
          fmt::format("{}.{:02}", whole, std::abs(value) % 100),
          fmt::format("{}.{:02}000", whole, std::abs(value) % 100)};
      if (value % 10 == 0)
        spellings.push_back(fmt::format("{}.{}", whole, std::abs(value) / 10 % 10));
      if (value % 100 == 0) spellings.push_back(whole);
      for (const auto& text : spellings)
        EXPECT_EQ(accepts(automaton, text), above && below)
            << text << " between " << std::min(a, b) << " and " << std::max(a, b) << " hundredths";
    }
    EXPECT_FALSE(accepts(automaton, "1."));
    EXPECT_FALSE(accepts(automaton, ".5"));
  }
}

TEST(NumberRanges, NothingLiesBetweenSomeBounds) {
  EXPECT_EQ(numbers_between(DecimalBound::of(2, false), DecimalBound::of(1, false)), nullptr);
  EXPECT_EQ(numbers_between(DecimalBound::of(0, true), DecimalBound::of(0, false)), nullptr);
  EXPECT_EQ(numbers_between(DecimalBound::of(0.5, true), DecimalBound::of(0.5, true)), nullptr);
  EXPECT_NE(numbers_between(DecimalBound::of(0.5, false), DecimalBound::of(0.5, false)), nullptr);
  EXPECT_FALSE(DecimalBound::of(1e300, false).has_value());
  EXPECT_FALSE(DecimalBound::of(1e-30, false).has_value());
}

}  // namespace
}  // namespace isthmus::grammar
