// Answers that follow a schema or a grammar, of every family, however their tokens are found.
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "error_message.h"
#include "isthmus/error.h"
#include "isthmus/model.h"

namespace isthmus {
namespace {

const std::filesystem::path kDemo = std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo";

constexpr const char* kSchema = R"({
  "properties": {"shape": {"enum": ["cube", "cone", "sphere", "cylinder"]},
                 "count": {"type": "integer", "minimum": 0, "maximum": 9},
                 "colors": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 2}},
  "required": ["shape", "count", "colors"]})";

Request ask(const char* file) {
  Request request;
  request.messages.push_back(
      {"user",
       {Part::of_image(kDemo / "pictures" / file), Part::of_text("what is in this picture ?")}});
  // These models have never seen JSON, and indent it as far as they may.
  request.generate.max_new_tokens = 600;
  request.generate.json_schema = kSchema;
  return request;
}

void expect_satisfied(const Answer& answer) {
  EXPECT_EQ(answer.finish_reason, "eos");
  const auto value = nlohmann::ordered_json::parse(answer.text, nullptr, false);
  ASSERT_TRUE(value.is_object()) << answer.text;
  ASSERT_EQ(value.size(), 3u) << answer.text;
  EXPECT_EQ(value.begin().key(), "shape");
  EXPECT_TRUE(value["count"].is_number_integer()) << answer.text;
  EXPECT_TRUE(value["colors"].is_array()) << answer.text;
}

Pretrained load_demo(const char* model, const char* draft = nullptr) {
  LoadOptions options;
  if (draft != nullptr) options.draft = (kDemo / draft).string();
  return load_pretrained_model((kDemo / model).string(), "", "", options);
}

TEST(Constrained, EveryFamilySatisfiesASchema) {
  for (const char* model :
       {"llava/llava-v1.5-tabletop", "models/llava-v1.5", "models/onellm", "models/flamingo"}) {
    const Pretrained loaded = load_demo(model);
    for (const double temperature : {0.0, 1.0}) {
      Request request = ask("table03.png");
      request.generate.temperature = temperature;
      request.generate.seed = 4;
      const Answer plain = loaded.model.generate(request);
      SCOPED_TRACE(model);
      expect_satisfied(plain);
      request.generate.prompt_lookup_num_tokens = 6;
      EXPECT_EQ(loaded.model.generate(request).output_ids, plain.output_ids);
    }
  }
}

TEST(Constrained, ADraftThatKnowsNothingOfTheSchemaChangesNothing) {
  for (const char* model : {"models/llava-v1.5", "models/onellm", "models/flamingo"}) {
    const Pretrained plain = load_demo(model), drafted = load_demo(model, "models/language_model");
    for (const double temperature : {0.0, 1.0}) {
      Request request = ask("table05.jpg");
      request.generate.temperature = temperature;
      request.generate.num_assistant_tokens = 5;
      const Answer answer = drafted.model.generate(request);
      expect_satisfied(answer);
      EXPECT_EQ(answer.output_ids, plain.model.generate(request).output_ids) << model;
    }
  }
}

TEST(Constrained, RowsOfABatchFollowGrammarsOfTheirOwn) {
  const Pretrained loaded = load_demo("llava/llava-v1.5-tabletop");
  std::vector<Request> requests{ask("table01.png"), ask("table05.jpg"), ask("table02.png")};
  requests[1].generate.json_schema.clear();
  requests[1].generate.grammar = "root ::= (\"A \" | \"The \") [a-z ]{3,12} \".\"";
  requests[2].generate.json_schema.clear();
  const std::vector<Answer> together = loaded.model.generate_batch(requests);
  expect_satisfied(together[0]);
  EXPECT_EQ(together[1].text.back(), '.');
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(together[i].output_ids, loaded.model.generate(requests[i]).output_ids) << i;
}

TEST(Constrained, AnswersThatAreCutEndWithinTheirGrammar) {
  Request request = ask("table01.png");
  request.generate.max_new_tokens = 4;
  const Answer answer = load_demo("models/llava-v1.5").model.generate(request);
  EXPECT_EQ(answer.finish_reason, "length");
  EXPECT_EQ(answer.text[0], '{') << answer.text;
}

TEST(Constrained, WhatIsWrongIsSaidBeforeAnythingIsComputed) {
  const Pretrained loaded = load_demo("models/llava-v1.5");
  const auto complaint = [&](auto change) {
    Request request = ask("table01.png");
    change(request.generate);
    return message_of<UsageError>([&] { loaded.model.generate(request); });
  };
  EXPECT_NE(complaint([](auto& g) { g.num_beams = 3; }).find("beams"), std::string::npos);
  EXPECT_NE(complaint([](auto& g) { g.json_schema = R"({"not": {}})"; }).find("the keyword not"),
            std::string::npos);
  EXPECT_NE(
      complaint([](auto& g) { g.json_schema.clear(), g.grammar = "root ::= x"; }).find("no rule x"),
      std::string::npos);
}

TEST(Constrained, ARequestKeepsTheOrderOfItsSchema) {
  const Request request = Request::parse(
      R"({"messages": [{"role": "user", "content": "hello"}], "generate": {"json_schema": {"properties": {"z": {}, "a": {}}}}})",
      "request", ".");
  EXPECT_EQ(request.generate.json_schema, R"({"properties":{"z":{},"a":{}}})");
}

}  // namespace
}  // namespace isthmus
