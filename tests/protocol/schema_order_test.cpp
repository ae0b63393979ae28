#include "protocol/schema_order.h"

#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace isthmus::protocol {
namespace {

const std::string kSchema =
    R"({"type":"object","properties":{"shape":{"type":"string"},"color":{"type":"string"}}})";

serving::Question asked_for(const std::string& schema) {
  serving::Question question;
  question.form = serving::OutputForm{serving::OutputForm::Kind::kJsonSchema,
                                      nlohmann::json::parse(schema).dump()};
  return question;
}

TEST(SchemaOrder, IsThatOfTheBodyInEveryApi) {
  for (const std::string body :
       {R"({"response_format": {"type": "json_schema", "json_schema": {"schema": )" + kSchema +
            "}}}",
        R"({"text": {"format": {"type": "json_schema", "schema": )" + kSchema + "}}}",
        R"({"output_config": {"format": {"schema": )" + kSchema + "}}}",
        R"({"format": )" + kSchema + "}", R"({"form": {"schema": )" + kSchema + "}}"}) {
    std::vector<serving::Question> questions{asked_for(kSchema), asked_for(kSchema)};
    keep_schema_order(body, questions);
    for (const serving::Question& question : questions)
      EXPECT_EQ(question.form->text, kSchema) << body;
  }
}

TEST(SchemaOrder, OtherFormsStayWhatTheyAre) {
  std::vector<serving::Question> questions{asked_for(R"({"type":"object"})"), {}};
  keep_schema_order(R"({"format": "json", "form": )" + kSchema + "}", questions);
  EXPECT_EQ(questions[0].form->text, R"({"type":"object"})");
  EXPECT_FALSE(questions[1].form);
}

TEST(SchemaOrder, OfOurOwnRequestsToo) {
  std::vector<serving::Question> questions(1);
  questions[0].request.generate.json_schema = nlohmann::json::parse(kSchema).dump();
  keep_schema_order(R"({"generate": {"json_schema": )" + kSchema + "}}", questions);
  EXPECT_EQ(questions[0].request.generate.json_schema, kSchema);
}

}  // namespace
}  // namespace isthmus::protocol
