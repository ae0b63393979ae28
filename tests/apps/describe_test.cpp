// `isthmus describe` on Flamingos and on the language models inside them.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

fs::path flamingo(const std::string& relative) {
  return fs::path(ISTHMUS_FIXTURES) / "openflamingo" / relative;
}

TEST(Describe, PrintsTheTreeOfAFlamingoFirst) {
  const Outcome outcome = isthmus({"describe", flamingo("opt_every2/model").string()});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(outcome.out.starts_with(text_of(flamingo("opt_every2/print_model.txt")) + "\n"));
  EXPECT_NE(outcome.out.find("tanh(attn_gate)"), std::string::npos);
  EXPECT_LT(outcome.cpu_seconds, 0.2);  // no libtorch
}

TEST(Describe, AnswersInJson) {
  const Outcome outcome = isthmus({"describe", "--json", "--summary", "--image-size", "1000x300",
                                   flamingo("neox_rpj_every2/model").string()});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json described = json::parse(outcome.out);
  EXPECT_EQ(described.at("gates").size(), 2U);
  EXPECT_EQ(described.at("pictures").size(), 1U);
  EXPECT_EQ(described.at("pictures")[0].at("size"), json({1000, 300}));
  EXPECT_FALSE(described.contains("module_tree"));
}

TEST(Describe, APieceOfAnotherModelIsABrokenModel) {
  const Outcome outcome =
      isthmus({"describe", flamingo("opt_every2/model/checkpoint.pt").string(), "--base",
               flamingo("mpt7b_every1/model/lm").string()});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("as those of OPT"), std::string::npos) << outcome.err;
  EXPECT_EQ(lines_of(outcome.err).size(), 1U) << outcome.err;
}

TEST(Describe, KnowsTheLanguageModelsAlone) {
  for (const char* name :
       {"mpt1b_mosaic_every1", "mpt7b_every1", "neox_rpj_every2", "opt_every2"}) {
    const Outcome outcome = isthmus({"describe", (flamingo(name) / "model/lm").string()});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("plain language model"), std::string::npos) << outcome.out;
  }
}

}  // namespace
}  // namespace isthmus::testing_programs
