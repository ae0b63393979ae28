#include "protocol/fields.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "generation/generation_config.h"

namespace isthmus::protocol {
namespace {

constexpr int64_t kLongestAnswer = int64_t{1} << 30;
constexpr size_t kMostStops = 64;

}  // namespace

serving::Question question_for(const Context& context) {
  serving::Question question;
  question.id = context.id;
  question.request.generate = context.defaults;
  return question;
}

void require_between(const JsonView& fields, std::string_view key, double value, double low,
                     double high) {
  fields.require(value >= low && value <= high, key,
                 fmt::format("expected {} to {}, found {}", low, high, value));
}

void read_sampling(const JsonView& fields, const Context& context, GenerationConfig& generate,
                   std::string_view penalty) {
  generate.temperature = fields.number("temperature", generate.temperature);
  require_between(fields, "temperature", generate.temperature, 0, 100);
  generate.top_p = fields.number("top_p", generate.top_p);
  require_between(fields, "top_p", generate.top_p, 0, 1);
  // -1 is how several clients say "off".
  generate.top_k = fields.integer("top_k", generate.top_k);
  fields.require(generate.top_k >= -1, "top_k",
                 fmt::format("expected 0 (off) or more, found {}", generate.top_k));
  if (generate.top_k < 0) generate.top_k = 0;
  generate.repetition_penalty = fields.number(penalty, generate.repetition_penalty);
  fields.require(generate.repetition_penalty > 0, penalty,
                 fmt::format("expected a number above 0, found {}", generate.repetition_penalty));
  generate.min_p = fields.number("min_p", generate.min_p);
  require_between(fields, "min_p", generate.min_p, 0, 1);
  generate.typical_p = fields.number("typical_p", generate.typical_p);
  fields.require(generate.typical_p > 0 && generate.typical_p <= 1, "typical_p",
                 fmt::format("expected above 0 and at most 1, found {}", generate.typical_p));
  for (const auto& [key, value] : {std::pair("presence_penalty", &generate.presence_penalty),
                                   std::pair("frequency_penalty", &generate.frequency_penalty)}) {
    *value = fields.number(key, *value);
    require_between(fields, key, *value, -2, 2);
  }
  if (const auto bias = fields.find("logit_bias")) {
    generate.logit_bias = generation::parse_logit_bias(*bias);
    for (const auto& [id, value] : generate.logit_bias)
      require_between(*bias, std::to_string(id), value, -100, 100);
  }
  if (fields.contains("seed"))
    generate.seed = static_cast<uint64_t>(fields.integer("seed"));
  else if (generate.temperature > 0)
    generate.seed = context.fresh_seed;
}

void read_stop(const JsonView& fields, std::string_view key, GenerationConfig& generate) {
  const auto found = fields.find(key);
  if (!found) return;
  generate.stop.clear();
  if (found->is_string())
    generate.stop.push_back(found->as_string());
  else
    for (const JsonView& text : found->elements()) generate.stop.push_back(text.as_string());
  for (const std::string& text : generate.stop)
    if (text.empty()) found->fail("a stop string is empty");
  if (generate.stop.size() > kMostStops) found->fail(fmt::format("more than {} texts", kMostStops));
}

std::optional<int64_t> read_length(const JsonView& fields,
                                   std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (!fields.contains(key)) continue;
    const int64_t length = fields.positive(key);
    return std::min(length, kLongestAnswer);
  }
  return std::nullopt;
}

int64_t read_answers(const JsonView& body, std::string_view key, const Context& context) {
  const int64_t answers = body.positive(key, 1);
  require_between(body, key, static_cast<double>(answers), 1,
                  static_cast<double>(context.most_answers));
  return answers;
}

serving::OutputForm form_of_schema(const JsonView& schema) {
  if (!schema.is_object() && !schema.is_boolean()) schema.fail("expected a JSON schema");
  return {serving::OutputForm::Kind::kJsonSchema, schema.raw().dump()};
}

serving::OutputForm form_of_object() {
  return {serving::OutputForm::Kind::kJsonSchema, R"({"type":"object"})"};
}

std::optional<serving::OutputForm> read_form(const JsonView& format, bool nested_schema) {
  const std::string type = format.string("type");
  if (type == "text") return std::nullopt;
  if (type == "json_object") return form_of_object();
  format.require(type == "json_schema", "type",
                 fmt::format("\"{}\" is none of text, json_object, json_schema", type));
  return form_of_schema(nested_schema ? format.at("json_schema").at("schema")
                                      : format.at("schema"));
}

void read_extensions(const JsonView& body, serving::Question& question) {
  if (const auto grammar = body.find("grammar")) {
    body.require(!question.form, "grammar", "an answer has one form: response_format or grammar");
    question.form = {serving::OutputForm::Kind::kGrammar, grammar->as_string()};
  }
  question.aligner = body.string("aligner", "");
  question.request.conversation_template = body.string("template", "");
}

void refuse_unless(const JsonView& body, std::string_view key, double neutral,
                   std::string_view instead) {
  if (const auto value = body.find(key))
    if (value->as_number() != neutral)
      value->fail(
          fmt::format("only {} is done here{}{}", neutral, instead.empty() ? "" : "; ", instead));
}

}  // namespace isthmus::protocol
