#include "generation/constraints.h"

#include <filesystem>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "error_message.h"
#include "generation/continuation.h"
#include "generation/generation_config.h"
#include "isthmus/error.h"

namespace isthmus::generation {
namespace {

constexpr const char* kSchema =
    R"({"properties":{"z":{"type":"integer","maximum":99,"minimum":0},"a":{"enum":["red","blue"]}},"required":["z","a"]})";

std::shared_ptr<const text::Tokenizer> tokenizer() {
  static const auto loaded = text::Tokenizer::load(std::filesystem::path(ISTHMUS_FIXTURES) /
                                                   "llava/v15_original/model/llava-v1.5-tiny");
  return loaded;
}

// What a model without any idea answers.
std::vector<int64_t> babble(Constraints& constraints, const GenerationConfig& config,
                            unsigned seed) {
  const std::vector<int64_t> eos{*tokenizer()->eos_id()};
  Continuation continuation(config, eos, {}, {}, constraints.for_answer(config, eos));
  std::mt19937 random(seed);
  std::normal_distribution<float> noise(0, 3);
  std::vector<float> logits(tokenizer()->vocab_size());
  while (!continuation.finished()) {
    for (float& logit : logits) logit = noise(random);
    continuation.extend(logits);
  }
  return continuation.tokens();
}

TEST(Constraints, WhateverTheLogitsTheSchemaIsSatisfied) {
  Constraints constraints(tokenizer());
  for (unsigned seed = 0; seed < 20; ++seed) {
    GenerationConfig config;
    config.json_schema = kSchema;
    config.temperature = seed % 2;
    config.top_p = 0.9;
    config.top_k = 40;
    config.repetition_penalty = 1.2;
    config.seed = seed;
    const std::vector<int64_t> ids = babble(constraints, config, seed);
    EXPECT_EQ(ids.back(), *tokenizer()->eos_id());
    const std::string text = tokenizer()->decode(ids, true);
    const auto answer = nlohmann::ordered_json::parse(text, nullptr, false);
    ASSERT_TRUE(answer.is_object()) << text;
    ASSERT_EQ(answer.size(), 2u) << text;
    EXPECT_EQ(answer.begin().key(), "z") << text;
    EXPECT_TRUE(answer["z"].is_number_integer()) << text;
    EXPECT_TRUE(answer["a"] == "red" || answer["a"] == "blue") << text;
  }
}

TEST(Constraints, AGrammarIsFollowed) {
  Constraints constraints(tokenizer());
  GenerationConfig config;
  config.grammar = "root ::= (\"yes\" | \"no\") \"!\"{2,3}";
  for (unsigned seed = 0; seed < 8; ++seed) {
    const std::string text = tokenizer()->decode(babble(constraints, config, seed), true);
    EXPECT_TRUE(text == "yes!!" || text == "yes!!!" || text == "no!!" || text == "no!!!") << text;
  }
}

TEST(Constraints, AnAnswerThatIsCutIsABeginning) {
  Constraints constraints(tokenizer());
  GenerationConfig config;
  config.grammar = "root ::= \"abcdefghijklmnopqrstuvwxyz\"";
  config.max_new_tokens = 3;
  const std::string text = tokenizer()->decode(babble(constraints, config, 1), true);
  EXPECT_TRUE(std::string("abcdefghijklmnopqrstuvwxyz").starts_with(text)) << text;
}

TEST(Constraints, NothingIsAskedNothingIsMade) {
  Constraints constraints(tokenizer());
  EXPECT_EQ(constraints.for_answer({}, {}), nullptr);
}

TEST(Constraints, WithoutAnEndTokenTheAnswerStopsByItself) {
  Constraints constraints(tokenizer());
  GenerationConfig config;
  config.grammar = "root ::= \"ok\"";
  Continuation continuation(config, {}, {}, {}, constraints.for_answer(config, {}));
  const std::vector<float> logits(tokenizer()->vocab_size(), 0.0F);
  while (!continuation.finished()) continuation.extend(logits);
  EXPECT_EQ(continuation.finished(), FinishReason::kStop);
  EXPECT_EQ(tokenizer()->decode(continuation.tokens(), true), "ok");
}

TEST(Constraints, BrokenLogitsAreNotHiddenByTheMask) {
  Constraints constraints(tokenizer());
  GenerationConfig config;
  config.grammar = "root ::= \"ok\"";
  const std::vector<int64_t> eos{*tokenizer()->eos_id()};
  Continuation continuation(config, eos, {}, {}, constraints.for_answer(config, eos));
  std::vector<float> logits(tokenizer()->vocab_size(), 0.0F);
  logits[100] = std::nanf("");
  EXPECT_THROW(continuation.extend(logits), ModelError);
}

TEST(GenerationConfig, GrammarsAreReadAndChecked) {
  const auto parse = [](const char* text) {
    return parse_generation_config(JsonView::parse(text, "request"));
  };
  EXPECT_EQ(parse(R"({"json_schema": {"type": "object"}})").json_schema, R"({"type":"object"})");
  EXPECT_EQ(parse(R"({"json_schema": "{}"})").json_schema, "{}");
  EXPECT_EQ(parse(R"({"json_schema": true})").json_schema, "true");
  EXPECT_EQ(parse(R"({"grammar": "root ::= \"a\""})").grammar, "root ::= \"a\"");
  for (const auto& [text, message] :
       {std::pair(R"({"json_schema": {}, "grammar": "x"})", "not both"),
        std::pair(R"({"json_schema": {}, "num_beams": 2})",
                  "json_schema: cannot be combined with beams (num_beams 2)"),
        std::pair(R"({"grammar": "x", "min_new_tokens": 2})",
                  "min_new_tokens (2) would contradict"),
        std::pair(R"({"grammar": ""})", "is empty"),
        std::pair(R"({"grammar": {}})", "expected a string")})
    EXPECT_NE(message_of<UsageError>([&, text = text] { parse(text); }).find(message),
              std::string::npos)
        << text << message_of([&, text = text] { parse(text); });
}

}  // namespace
}  // namespace isthmus::generation
