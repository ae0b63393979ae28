#include "generation/logits_processor.h"

#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "generation/sampler.h"
#include "generation/tables.h"
#include "isthmus/error.h"

namespace isthmus::generation {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

using Row = std::vector<float>;

TEST(LogitsProcessors, GiveWhatTransformersGives) {
  size_t index = 0;
  for (const auto& c : load_table("processors.json")) {
    SCOPED_TRACE(index++);
    Row logits = floats(c["logits"]);
    const LogitsProcessors processors(settings_of(c["settings"]),
                                      c["end_ids"].get<std::vector<int64_t>>());
    processors.apply(logits, c["seen"].get<std::vector<int64_t>>(), c["num_new_tokens"]);
    const Row expected = floats(c["expected"]);
    ASSERT_EQ(logits.size(), expected.size());
    for (size_t id = 0; id < logits.size(); ++id) {
      if (std::isinf(expected[id])) {
        EXPECT_EQ(logits[id], expected[id]) << "id " << id;
      } else {
        EXPECT_NEAR(logits[id], expected[id], 1e-5 * (1 + std::abs(expected[id]))) << "id " << id;
      }
    }
  }
}

TEST(LogitsProcessors, LeaveGreedyLogitsAlone) {
  Row logits = {1, 2, 3};
  LogitsProcessors({}, {}).apply(logits, std::vector<int64_t>{2}, 0);
  EXPECT_EQ(logits, (Row{1, 2, 3}));
}

TEST(RepetitionPenalty, CountsAnIdOnceAndSkipsIdsOutsideTheVocabulary) {
  Row logits = {2, -2, 2};
  penalize_repetition(logits, std::vector<int64_t>{0, 0, 1, 1, 1, -200, 99}, 2);
  EXPECT_EQ(logits, (Row{1, -4, 2}));
}

TEST(TopK, KeepsWhateverEqualsTheLast) {
  Row logits = {3, 1, 2, 2, 0};
  keep_top_k(logits, 2);
  EXPECT_EQ(logits, (Row{3, -kInf, 2, 2, -kInf}));
}

TEST(TopP, KeepsOneTokenEvenForZero) {
  Row logits = {1, 5, 2};
  keep_top_p(logits, 0);
  EXPECT_EQ(logits, (Row{-kInf, 5, -kInf}));
}

TEST(TopP, RemovesTheLowerIdOfEquals) {
  Row logits = {0, 0, 0, 0};
  keep_top_p(logits, 0.6);  // a quarter each: three are needed to reach 0.6
  EXPECT_EQ(logits, (Row{-kInf, 0, 0, 0}));
}

TEST(MinP, KeepsWhatIsAShareOfTheMostProbable) {
  Row logits = {std::log(0.5F), std::log(0.3F), std::log(0.15F), std::log(0.05F), -kInf};
  const Row before = logits;
  keep_min_p(logits, 0.2);  // at least a tenth
  EXPECT_EQ(logits, (Row{before[0], before[1], before[2], -kInf, -kInf}));
  keep_min_p(logits, 1);
  EXPECT_EQ(logits, (Row{before[0], -kInf, -kInf, -kInf, -kInf}));
}

// The entropy of (1/2, 1/4, 1/8, 1/8) is 1.213 nats; the surprises are 0.693, 1.386 and 2.079.
TEST(Typical, KeepsWhatIsAsSurprisingAsExpected) {
  const Row before = {std::log(0.5F), std::log(0.25F), std::log(0.125F), std::log(0.125F)};
  Row logits = before;
  keep_typical(logits, 0.2);
  EXPECT_EQ(logits, (Row{-kInf, before[1], -kInf, -kInf}));
  logits = before;
  keep_typical(logits, 0.5);
  EXPECT_EQ(logits, (Row{before[0], before[1], -kInf, -kInf}));
  logits = before;
  keep_typical(logits, 0.8);
  EXPECT_EQ(logits, (Row{before[0], before[1], before[2], -kInf}));
}

TEST(PresencePenalty, CountsEachIdThatWasGenerated) {
  Row logits = {1, 2, 3};
  penalize_presence(logits, std::vector<int64_t>{0, 2, 0, 99}, 0.5, 0.25);
  EXPECT_EQ(logits, (Row{0, 2, 2.25F}));
}

TEST(LogitBias, IsAddedAndWhatIsForbiddenStaysSo) {
  Row logits = {1, -kInf, 3};
  add_bias(logits, {{0, -100}, {1, 100}, {2, 0.5}, {99, 1}});
  EXPECT_EQ(logits, (Row{-99, -kInf, 3.5F}));
}

TEST(LogitsProcessors, PenaltiesLookAtTheLatestTokens) {
  GenerationConfig config;
  config.repetition_penalty = 2;
  config.presence_penalty = 1;
  const std::vector<int64_t> seen{0, 1, 1, 2};  // the first is of the prompt
  const auto applied = [&](int64_t last) {
    config.penalty_last_n = last;
    Row logits = {8, 8, 8, 8};
    LogitsProcessors(config, {}).apply(logits, seen, 3);
    return logits;
  };
  EXPECT_EQ(applied(-1), (Row{4, 3, 3, 8}));  // presence is of the answer alone
  EXPECT_EQ(applied(2), (Row{8, 3, 3, 8}));
  EXPECT_EQ(applied(1), (Row{8, 8, 3, 8}));
  EXPECT_EQ(applied(0), (Row{8, 8, 8, 8}));
}

TEST(CheckLogits, RefusesNanInfinityAndNothingLeft) {
  EXPECT_THROW(check_logits(Row{0, std::nanf("")}), ModelError);
  EXPECT_THROW(check_logits(Row{0, kInf}), ModelError);
  EXPECT_THROW(check_logits(Row{-kInf, -kInf}), ModelError);
  EXPECT_THROW(check_logits(Row{}), ModelError);
  EXPECT_NO_THROW(check_logits(Row{-kInf, -1e30F}));
}

TEST(Argmax, TakesTheLowestOfEquals) { EXPECT_EQ(argmax(Row{1, 7, 7, 2}), 1); }

TEST(SampleMultinomial, FollowsTheProbabilitiesAndNeverTakesAForbiddenToken) {
  const Row logits = {-kInf, std::log(0.5F), -kInf, std::log(0.3F), std::log(0.2F), -kInf};
  std::map<int64_t, int> counts;
  Rng rng(5);
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) ++counts[sample_multinomial(logits, rng)];
  ASSERT_EQ(counts.size(), 3U);
  // Three standard deviations of a binomial of 20000 draws are below 0.011.
  EXPECT_NEAR(counts[1] / double{kDraws}, 0.5, 0.011);
  EXPECT_NEAR(counts[3] / double{kDraws}, 0.3, 0.011);
  EXPECT_NEAR(counts[4] / double{kDraws}, 0.2, 0.011);
}

TEST(Sampler, NoTemperatureIsTooLowToChoose) {
  for (const double temperature : {1e-19, 1.4e-45, 1e-300}) {
    GenerationConfig config;
    config.temperature = temperature;
    Row logits = {1, -2e10F, 30, 29.999F};
    LogitsProcessors(config, {}).apply(logits, {}, 0);
    EXPECT_EQ(Sampler(config).choose(logits), 2) << temperature;
  }
}

TEST(Sampler, RepeatsItselfForTheSameSeed) {
  GenerationConfig config;
  config.temperature = 1;
  config.seed = 42;
  Sampler a(config), b(config);
  config.seed = 43;
  Sampler other(config);
  const Row logits(100, 0.0F);
  int same = 0;
  for (int i = 0; i < 50; ++i) {
    const int64_t token = a.choose(logits);
    EXPECT_EQ(token, b.choose(logits));
    same += token == other.choose(logits) ? 1 : 0;
  }
  EXPECT_LT(same, 10);
}

}  // namespace
}  // namespace isthmus::generation
