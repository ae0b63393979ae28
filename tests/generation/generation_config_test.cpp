#include "generation/generation_config.h"

#include <gtest/gtest.h>

#include "isthmus/error.h"

namespace isthmus::generation {
namespace {

GenerationConfig parse(std::string_view text) {
  return parse_generation_config(JsonView::parse(text, "request.json"));
}

std::string complaint(std::string_view text) {
  try {
    parse(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(GenerationConfig, AnEmptyObjectIsGreedy) {
  const GenerationConfig config = parse("{}");
  EXPECT_EQ(config.temperature, 0);
  EXPECT_EQ(config.max_new_tokens, 512);
  EXPECT_EQ(config.num_beams, 1);
}

TEST(GenerationConfig, ReadsEveryField) {
  const GenerationConfig config =
      parse(R"({"max_new_tokens": 32, "min_new_tokens": 2, "temperature": 0.5,
      "top_p": 0.9, "top_k": 50, "min_p": 0.05, "typical_p": 0.8, "repetition_penalty": 1.1,
      "presence_penalty": 0.5, "frequency_penalty": -0.5, "penalty_last_n": 64,
      "logit_bias": {"7": -2.5}, "num_beams": 1, "length_penalty": -2,
      "early_stopping": true, "seed": 7, "stop": ["</s>", "###"], "stop_ids": [3],
      "quirks": {"decode_offset_ignores_tags": false}})");
  EXPECT_EQ(config.max_new_tokens, 32);
  EXPECT_EQ(config.min_new_tokens, 2);
  EXPECT_EQ(config.temperature, 0.5);
  EXPECT_EQ(config.top_p, 0.9);
  EXPECT_EQ(config.top_k, 50);
  EXPECT_EQ(config.repetition_penalty, 1.1);
  EXPECT_EQ(config.min_p, 0.05);
  EXPECT_EQ(config.typical_p, 0.8);
  EXPECT_EQ(config.presence_penalty, 0.5);
  EXPECT_EQ(config.frequency_penalty, -0.5);
  EXPECT_EQ(config.penalty_last_n, 64);
  EXPECT_EQ(config.logit_bias, (std::map<int64_t, double>{{7, -2.5}}));
  EXPECT_EQ(config.length_penalty, -2);
  EXPECT_TRUE(config.early_stopping);
  EXPECT_EQ(config.seed, 7U);
  EXPECT_EQ(config.stop, (std::vector<std::string>{"</s>", "###"}));
  EXPECT_EQ(config.stop_ids, (std::vector<int64_t>{3}));
  EXPECT_FALSE(config.quirks.at("decode_offset_ignores_tags"));
}

TEST(GenerationConfig, OneStopStringNeedsNoList) {
  EXPECT_EQ(parse(R"({"stop": "###"})").stop, (std::vector<std::string>{"###"}));
}

TEST(GenerationConfig, AWrongFieldIsAUsageErrorThatNamesIt) {
  EXPECT_EQ(complaint(R"({"temperature": "hot"})"),
            "request.json: temperature: expected a finite number, found \"hot\" (a string)");
  EXPECT_NE(complaint(R"({"temprature": 1})").find("request.json: temprature: unknown field"),
            std::string::npos);
  for (const char* text : {R"({"temperature": -1})",
                           R"({"min_p": 1.5})",
                           R"({"typical_p": 0})",
                           R"({"presence_penalty": 3})",
                           R"({"frequency_penalty": -3})",
                           R"({"penalty_last_n": -2})",
                           R"({"logit_bias": {"a": 1}})",
                           R"({"logit_bias": {"1": 101}})",
                           R"({"top_p": 1.5})",
                           R"({"top_k": -1})",
                           R"({"max_new_tokens": 0})",
                           R"({"max_new_tokens": 1e9})",
                           R"({"max_new_tokens": 99999999999})",
                           R"({"min_new_tokens": 600})",
                           R"({"repetition_penalty": 0})",
                           R"({"num_beams": 0})",
                           R"({"num_beams": 100000})",
                           R"({"num_beams": 2, "temperature": 1})",
                           R"({"seed": -1})",
                           R"({"seed": 18446744073709551615})",
                           R"({"prompt_lookup_num_tokens": 65})",
                           R"({"num_assistant_tokens": -1})",
                           R"({"stop": [""]})",
                           R"({"stop": [1]})",
                           R"({"stop_ids": [-1]})",
                           R"({"stop_ids": 5})",
                           R"({"quirks": {"a": 1}})",
                           R"({"early_stopping": "never"})",
                           R"([])",
                           R"("greedy")"})
    EXPECT_NE(complaint(text), "") << text;
}

}  // namespace
}  // namespace isthmus::generation
