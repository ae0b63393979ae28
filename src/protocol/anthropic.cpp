#include "protocol/anthropic.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/anthropic_stream.h"
#include "protocol/calls.h"
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
    std::vector<Spoken> spoken = spoken_in(use_, answer.text);
    if (spoken.empty()) spoken.emplace_back();
    size_t calls = 0;
    for (const Spoken& one : spoken)
      json["content"].push_back(one.call ? called(calls++, one.call->name, arguments_of(*one.call))
                                         : Json{{"type", "text"}, {"text", one.text}});
    json.update(end_of(*answer.end, calls_tools(spoken)));
    json["usage"] = usage();
    return json;
  }

  std::string last() override {
    std::string out = spoken(finder_.finish());
    const bool calls = calls_ > 0 && open_ != Open::kCall;
    // A message has a block, if only an empty one.
    if (block_ == 0) out += block(Open::kText, {{"type", "text"}, {"text", ""}});
    out += closed();
    return out + anthropic_stop(end_of(*answers().front().end, calls), usage());
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
  enum class Open { kNone, kText, kCall };

  Json called(size_t number, const std::string& name, Json input) const {
    return {{"type", "tool_use"},
            {"id", fmt::format("toolu_{}_{}", context_.id, number)},
            {"name", name},
            {"input", std::move(input)}};
  }

  // Each call is a block of its own, and so is each text between calls.
  std::string spoken(const std::vector<Said>& all) {
    std::string out;
    const auto grow = [&](const char* type, const char* key, const std::string& text) {
      out += anthropic_delta(block_ - 1, {{"type", type}, {key, text}});
    };
    for (const Said& said : all) {
      switch (said.kind) {
        case Said::Kind::kText:
          if (open_ != Open::kText) out += block(Open::kText, {{"type", "text"}, {"text", ""}});
          grow("text_delta", "text", said.text);
          break;
        case Said::Kind::kCall:
          out += block(Open::kCall, called(calls_++, said.text, Json::object()));
          break;
        case Said::Kind::kArguments: grow("input_json_delta", "partial_json", said.text); break;
        case Said::Kind::kCallEnd: out += closed(); break;
      }
    }
    return out;
  }

  std::string block(Open open, const Json& content) {
    std::string out = closed();
    open_ = open;
    return out + anthropic_block(block_++, content);
  }
  std::string closed() {
    return std::exchange(open_, Open::kNone) == Open::kNone ? "" : anthropic_block_stop(block_ - 1);
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
  size_t block_ = 0, calls_ = 0;  // of a stream, as many as have begun
  Open open_ = Open::kNone;       // the block that is being written
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
