#include "protocol/schema_order.h"

#include <string>

#include <nlohmann/json.hpp>

namespace isthmus::protocol {
namespace {

// OpenAI's chat and completions, its responses, Anthropic's messages, Ollama, our own.
constexpr std::string_view kPlaces[] = {"/response_format/json_schema/schema",
                                        "/text/format/schema",
                                        "/output_config/format/schema",
                                        "/format",
                                        "/form/schema",
                                        "/generate/json_schema"};

bool is_schema(const serving::Question& question) {
  return question.form && question.form->kind == serving::OutputForm::Kind::kJsonSchema;
}

}  // namespace

void keep_schema_order(std::string_view body, std::span<serving::Question> questions) {
  bool any = false;
  for (const serving::Question& question : questions)
    any = any || is_schema(question) || !question.request.generate.json_schema.empty();
  if (!any) return;
  const auto ordered = nlohmann::ordered_json::parse(body);
  for (const std::string_view place : kPlaces) {
    const nlohmann::ordered_json::json_pointer pointer{std::string(place)};
    if (!ordered.contains(pointer) || !ordered.at(pointer).is_object()) continue;
    const std::string in_order = ordered.at(pointer).dump();
    const std::string sorted = nlohmann::json::parse(in_order).dump();
    for (serving::Question& question : questions) {
      if (is_schema(question) && question.form->text == sorted) question.form->text = in_order;
      std::string& own = question.request.generate.json_schema;
      if (own == sorted) own = in_order;
    }
  }
}

}  // namespace isthmus::protocol
