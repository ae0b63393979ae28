#include "protocol/anthropic.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/anthropic_stream.h"
#include "protocol/content.h"
#include "protocol/fields.h"
#include "protocol/tools.h"

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
  Messages(const JsonView& body, const Context& given)
      : Exchange(context_with_template(given, body.string("template", ""))) {
    const Context& context = context_;
    streams = body.boolean("stream", false);
    serving::Question question = question_for(context);
    question.request.messages = read_conversation(body, context);
    GenerationConfig& generate = question.request.generate;
    read_sampling(body, context, generate);
    generate.max_new_tokens = body.positive("max_tokens");
    read_stop(body, "stop_sequences", generate);
    use_ = read_tools(body, context, ToolsSpelling::kAnthropic);
    if (const auto thinking = body.find("thinking"))
      thinking->require(thinking->string("type") == "disabled", "type",
                        "this model does not think aloud; leave it out");
    if (const auto output = body.find("output_config"))
      if (const auto format = output->find("format"))
        question.form = read_form(*format, /*nested_schema=*/false);
    read_extensions(body, question);
    tell_tools(use_, question, body);
    questions.push_back(std::move(question));
    expect_answers();
  }

  Json whole() const override {
    const AnswerSoFar& answer = answers().front();
    Json json = message();
    const WholeAnswer said = split_calls(use_, answer.text);
    if (said.calls.empty() || !said.text.empty())
      json["content"].push_back({{"type", "text"}, {"text", said.text}});
    for (size_t i = 0; i < said.calls.size(); ++i)
      json["content"].push_back(called(i, said.calls[i]));
    json.update(end_of(*answer.end, !said.calls.empty()));
    json["usage"] = usage();
    return json;
  }

  std::string last() override {
    std::string out = spoken(finder_.finish());
    if (text_is_open_) out += anthropic_block_stop(block_);
    return out + anthropic_stop(end_of(*answers().front().end, calls_ > 0), usage());
  }

  std::string broken_off(const Failure& failure) override {
    return "event: error\ndata: " + error_body(failure, Dialect::kAnthropic, context_.id) + "\n\n";
  }

 protected:
  std::string begun() override { return anthropic_start(message()); }
  std::string continued(size_t, const serving::Piece& piece) override {
    return spoken(finder_.take(piece.text));
  }
  std::string ended(size_t, const serving::Finished&) override { return ""; }

 private:
  Json called(size_t number, const ToolCall& call) const {
    return {{"type", "tool_use"},
            {"id", fmt::format("toolu_{}_{}", context_.id, number)},
            {"name", call.name},
            {"input", Json::parse(call.arguments)}};
  }

  // Each call is a block of its own; text goes on in a new one behind it.
  std::string spoken(const std::vector<Said>& all) {
    std::string out;
    for (const Said& said : all) {
      if (!said.call) {
        if (!text_is_open_) out += anthropic_block(++block_, {{"type", "text"}, {"text", ""}});
        text_is_open_ = true;
        out += anthropic_delta(block_, {{"type", "text_delta"}, {"text", said.text}});
        continue;
      }
      if (std::exchange(text_is_open_, false)) out += anthropic_block_stop(block_);
      Json block = called(calls_++, *said.call);
      block["input"] = Json::object();
      out += anthropic_block(++block_, block);
      out += anthropic_delta(
          block_, {{"type", "input_json_delta"}, {"partial_json", said.call->arguments}});
      out += anthropic_block_stop(block_);
    }
    return out;
  }

  Json message() const {
    return {{"id", "msg_" + context_.id},  {"type", "message"},        {"role", "assistant"},
            {"model", context_.card.name}, {"content", Json::array()}, {"stop_reason", nullptr},
            {"stop_sequence", nullptr},    {"usage", usage()}};
  }

  // Without the sequence that ended it there was none of the request's: the turn came to its end.
  static Json end_of(const serving::Finished& end, bool calls) {
    if (was_cut(end)) return {{"stop_reason", "max_tokens"}, {"stop_sequence", nullptr}};
    if (calls) return {{"stop_reason", "tool_use"}, {"stop_sequence", nullptr}};
    if (end.stop_string.empty()) return {{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}};
    return {{"stop_reason", "stop_sequence"}, {"stop_sequence", end.stop_string}};
  }

  Json usage() const {
    return {{"input_tokens", prompt_tokens() - reused_tokens()},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", reused_tokens()},
            {"output_tokens", generated_tokens()}};
  }

  ToolUse use_;
  CallFinder finder_{use_};
  size_t block_ = 0, calls_ = 0;
  bool text_is_open_ = true;  // the block of a stream that is being written
};

}  // namespace

std::unique_ptr<Exchange> open_messages(const JsonView& body, const Context& context) {
  return std::make_unique<Messages>(body, context);
}

Request read_prompt_to_count(const JsonView& body, const Context& context) {
  const Context with = context_with_template(context, body.string("template", ""));
  serving::Question question;
  question.request.messages = read_conversation(body, with);
  question.request.conversation_template = body.string("template", "");
  tell_tools(read_tools(body, with, ToolsSpelling::kAnthropic), question, body);
  return question.request;
}

}  // namespace isthmus::protocol
