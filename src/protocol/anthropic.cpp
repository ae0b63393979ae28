#include "protocol/anthropic.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "protocol/anthropic_stream.h"
#include "protocol/content.h"
#include "protocol/fields.h"

namespace isthmus::protocol {
namespace {

// The system text stands beside the messages: a string, or a list of texts.
std::vector<Message> read_conversation(const JsonView& body, const Context& context) {
  std::vector<Message> messages;
  if (const auto system = body.find("system"))
    messages.push_back({"system", read_content(*system, context)});
  for (Message& message : read_messages(body.at("messages"), context))
    messages.push_back(std::move(message));
  return messages;
}

class Messages : public Exchange {
 public:
  Messages(const JsonView& body, const Context& context) : Exchange(context) {
    streams = body.boolean("stream", false);
    serving::Question question = question_for(context);
    question.request.messages = read_conversation(body, context);
    GenerationConfig& generate = question.request.generate;
    read_sampling(body, context, generate);
    generate.max_new_tokens = body.positive("max_tokens");
    read_stop(body, "stop_sequences", generate);
    refuse_tools(body, context);
    if (const auto thinking = body.find("thinking"))
      thinking->require(thinking->string("type") == "disabled", "type",
                        "this model does not think aloud; leave it out");
    if (const auto output = body.find("output_config"))
      if (const auto format = output->find("format"))
        question.form = read_form(*format, /*nested_schema=*/false);
    read_extensions(body, question);
    questions.push_back(std::move(question));
    expect_answers();
  }

  Json whole() const override {
    const AnswerSoFar& answer = answers().front();
    Json json = message();
    json["content"].push_back({{"type", "text"}, {"text", answer.text}});
    json.update(end_of(*answer.end));
    json["usage"] = usage();
    return json;
  }

  std::string last() override { return anthropic_stop(end_of(*answers().front().end), usage()); }

  std::string broken_off(const Failure& failure) override {
    return "event: error\ndata: " + error_body(failure, Dialect::kAnthropic, context_.id) + "\n\n";
  }

 protected:
  std::string begun() override { return anthropic_start(message()); }
  std::string continued(size_t, const serving::Piece& piece) override {
    return anthropic_delta(piece.text);
  }
  std::string ended(size_t, const serving::Finished&) override { return ""; }

 private:
  Json message() const {
    return {{"id", "msg_" + context_.id},  {"type", "message"},        {"role", "assistant"},
            {"model", context_.card.name}, {"content", Json::array()}, {"stop_reason", nullptr},
            {"stop_sequence", nullptr},    {"usage", usage()}};
  }

  // Without the sequence that ended it there was none of the request's: the turn came to its end.
  static Json end_of(const serving::Finished& end) {
    if (was_cut(end)) return {{"stop_reason", "max_tokens"}, {"stop_sequence", nullptr}};
    if (end.stop_string.empty()) return {{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}};
    return {{"stop_reason", "stop_sequence"}, {"stop_sequence", end.stop_string}};
  }

  Json usage() const {
    return {{"input_tokens", prompt_tokens() - reused_tokens()},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", reused_tokens()},
            {"output_tokens", generated_tokens()}};
  }
};

}  // namespace

std::unique_ptr<Exchange> open_messages(const JsonView& body, const Context& context) {
  return std::make_unique<Messages>(body, context);
}

Request read_prompt_to_count(const JsonView& body, const Context& context) {
  Request request;
  request.messages = read_conversation(body, context);
  request.conversation_template = body.string("template", "");
  refuse_tools(body, context);
  return request;
}

}  // namespace isthmus::protocol
