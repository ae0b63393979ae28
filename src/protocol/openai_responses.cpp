#include "protocol/openai_responses.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "protocol/calls.h"
#include "protocol/content.h"
#include "protocol/fields.h"
#include "protocol/logprobs.h"
#include "protocol/openai_responses_stream.h"
#include "protocol/tools.h"

namespace isthmus::protocol {
namespace {

constexpr std::string_view kWithLogprobs = "message.output_text.logprobs";

// A text, or a list of messages, calls and what they were answered; items of other types speak of
// what is stored or done elsewhere. What one side says without the other's word is one turn.
std::vector<Message> read_turns(const JsonView& input, const Context& context) {
  if (input.is_string()) return {{"user", {Part::of_text(input.as_string())}}};
  std::vector<Message> messages;
  bool after_result = false;
  for (const JsonView& item : input.elements()) {
    const std::string type = item.string("type", "message");
    const bool result = type == "function_call_output";
    if (result) {
      read_output(item.at("output"), context, after_result, messages);
    } else if (type == "function_call") {
      if (messages.empty() || messages.back().role != "assistant")
        messages.push_back({"assistant", {}});
      read_call(item, context, messages.back().content);
    } else {
      item.require(
          type == "message", "type",
          fmt::format("\"{}\" is not read here; send messages, and calls of functions", type));
      messages.push_back({read_role(item), read_content(item.at("content"), context)});
    }
    after_result = result;
  }
  if (messages.empty()) input.fail("is empty");
  return messages;
}

bool includes_logprobs(const JsonView& body) {
  bool wanted = false;
  if (const auto include = body.find("include"))
    for (const JsonView& name : include->elements())
      wanted = wanted || name.as_string() == kWithLogprobs;
  return wanted;
}

// Asked back what is not kept.
void refuse_stored(const JsonView& body) {
  for (const char* key : {"previous_response_id", "conversation", "prompt"})
    body.require(!body.contains(key), key, "nothing is stored here; send the whole conversation");
  body.require(!body.boolean("background", false), "background",
               "answers are given at once or streamed, not in the background");
}

class Responses : public Exchange {
 public:
  Responses(const JsonView& body, const Context& given)
      : Exchange(context_with_template(given, body.string("template", ""))), stream_(given.id) {
    const Context& context = context_;
    streams = body.boolean("stream", false);
    refuse_stored(body);
    serving::Question question = question_for(context);
    GenerationConfig& generate = question.request.generate;
    if (const auto instructions = body.find("instructions"))
      question.request.messages.push_back({"system", {Part::of_text(instructions->as_string())}});
    for (Message& message : read_turns(body.at("input"), context))
      question.request.messages.push_back(std::move(message));
    read_sampling(body, context, generate);
    if (const auto length = read_length(body, {"max_output_tokens"}))
      generate.max_new_tokens = *length;
    read_stop(body, "stop", generate);
    if (includes_logprobs(body) || body.contains("top_logprobs")) {
      question.top_logprobs = body.integer("top_logprobs", 0);
      require_between(body, "top_logprobs", static_cast<double>(*question.top_logprobs), 0,
                      kMostTopLogprobs);
    }
    if (const auto text = body.find("text"))
      if (const auto format = text->find("format")) {
        question.form = read_form(*format, /*nested_schema=*/false);
        format_ = format->raw();
      }
    if (const auto metadata = body.find("metadata")) {
      if (!metadata->is_object()) metadata->fail("expected an object");
      metadata_ = metadata->raw();
    }
    read_extensions(body, question);
    use_ = read_tools(body, context, ToolsSpelling::kResponses);
    body.require(use_.tools.empty() || !question.top_logprobs, "top_logprobs",
                 "are not told beside tools; leave one of them out");
    tell_tools(use_, question, body);
    if (const auto tools = body.find("tools")) tools_ = tools->raw();
    if (!tools_.empty()) choice_ = "auto";
    if (const auto choice = body.find("tool_choice")) choice_ = choice->raw();
    questions.push_back(std::move(question));
    expect_answers();
  }

  Json whole() const override { return response(/*finished=*/true); }
  std::string last() override {
    std::string out = stream_.continued(finder_.finish(), Json::array());
    return out.append(stream_.ended(response(/*finished=*/true)));
  }
  std::string broken_off(const Failure& failure) override {
    return stream_.broken_off(response(/*finished=*/false), failure);
  }

 protected:
  std::string begun() override { return stream_.begun(response(/*finished=*/false)); }
  std::string continued(size_t, const serving::Piece& piece) override {
    // Tokens may show nothing, and are told all the same.
    if (use_.tools.empty())
      return stream_.continued({{Said::Kind::kText, piece.text}}, token_logprobs(piece.tokens));
    return stream_.continued(finder_.take(piece.text), token_logprobs(piece.tokens));
  }
  std::string ended(size_t, const serving::Finished&) override { return ""; }

 private:
  // Without a word it is one empty message. Probabilities come without tools, so with one message.
  Json output(const AnswerSoFar& answer) const {
    std::vector<Spoken> spoken = spoken_in(use_, answer.text);
    if (spoken.empty()) spoken.emplace_back();
    Json items = Json::array();
    for (const Spoken& one : spoken) {
      const bool last = items.size() + 1 == spoken.size();
      const bool whole = one.call ? one.call->complete : !last || !was_cut(*answer.end);
      items.push_back(response_item(context_.id, items.size(), one,
                                    whole ? "completed" : "incomplete",
                                    token_logprobs(answer.tokens)));
    }
    return items;
  }

  Json response(bool finished) const {
    const GenerationConfig& generate = questions.front().request.generate;
    const AnswerSoFar& answer = answers().front();
    const bool cut = finished && was_cut(*answer.end);
    Json json{{"id", "resp_" + context_.id}, {"object", "response"}};
    json["created_at"] = context_.created;
    json["status"] = !finished ? "in_progress" : cut ? "incomplete" : "completed";
    json["error"] = nullptr;
    json["incomplete_details"] = cut ? Json{{"reason", "max_output_tokens"}} : Json(nullptr);
    json["instructions"] = nullptr;
    json["max_output_tokens"] = generate.max_new_tokens;
    json["model"] = context_.card.name;
    json["output"] = finished ? output(answer) : Json::array();
    json["parallel_tool_calls"] = !use_.tools.empty() && !use_.forced;
    json["previous_response_id"] = nullptr;
    json["store"] = false;
    json["temperature"] = generate.temperature;
    json["text"] = {{"format", format_}};
    json["tool_choice"] = choice_;
    json["tools"] = tools_;
    json["top_p"] = generate.top_p;
    json["truncation"] = "disabled";
    json["usage"] = finished ? usage() : Json(nullptr);
    json["metadata"] = metadata_;
    return json;
  }

  Json usage() const {
    return {{"input_tokens", prompt_tokens()},
            {"input_tokens_details", {{"cached_tokens", reused_tokens()}}},
            {"output_tokens", generated_tokens()},
            {"output_tokens_details", {{"reasoning_tokens", 0}}},
            {"total_tokens", prompt_tokens() + generated_tokens()}};
  }

  ToolUse use_;
  CallFinder finder_{use_};  // a stream is read by it
  ResponseStream stream_;
  Json format_{{"type", "text"}}, metadata_ = Json::object();
  Json tools_ = Json::array(), choice_ = "none";  // as they were sent
};

}  // namespace

std::unique_ptr<Exchange> open_responses(const JsonView& body, const Context& context) {
  return std::make_unique<Responses>(body, context);
}

}  // namespace isthmus::protocol
