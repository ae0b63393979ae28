#include "protocol/openai_responses.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "protocol/content.h"
#include "protocol/fields.h"
#include "protocol/logprobs.h"
#include "protocol/openai_responses_stream.h"

namespace isthmus::protocol {
namespace {

constexpr int64_t kMostTopLogprobs = 20;
constexpr std::string_view kWithLogprobs = "message.output_text.logprobs";

// A text, or a list of messages; items of other types speak of tools and of what is stored.
std::vector<Message> read_input(const JsonView& input, const Context& context) {
  if (input.is_string()) return {{"user", {Part::of_text(input.as_string())}}};
  std::vector<Message> messages;
  for (const JsonView& item : input.elements()) {
    const std::string type = item.string("type", "message");
    item.require(type == "message", "type",
                 fmt::format("\"{}\" is not read here; send messages", type));
    messages.push_back({read_role(item), read_content(item.at("content"), context)});
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
  Responses(const JsonView& body, const Context& context)
      : Exchange(context), stream_("msg_" + context.id) {
    streams = body.boolean("stream", false);
    refuse_stored(body);
    refuse_tools(body, context);
    serving::Question question = question_for(context);
    GenerationConfig& generate = question.request.generate;
    if (const auto instructions = body.find("instructions"))
      question.request.messages.push_back({"system", {Part::of_text(instructions->as_string())}});
    for (Message& message : read_input(body.at("input"), context))
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
    questions.push_back(std::move(question));
    expect_answers();
  }

  Json whole() const override { return response(/*finished=*/true); }
  std::string last() override {
    return stream_.ended(message(answers().front()), response(/*finished=*/true));
  }
  std::string broken_off(const Failure& failure) override {
    return stream_.broken_off(response(/*finished=*/false), failure);
  }

 protected:
  std::string begun() override { return stream_.begun(response(/*finished=*/false)); }
  std::string continued(size_t, const serving::Piece& piece) override {
    return stream_.continued(piece.text, token_logprobs(piece.tokens));
  }
  std::string ended(size_t, const serving::Finished&) override { return ""; }

 private:
  Json message(const AnswerSoFar& answer) const {
    const Json content{{"type", "output_text"},
                       {"text", answer.text},
                       {"annotations", Json::array()},
                       {"logprobs", token_logprobs(answer.tokens)}};
    return {{"id", "msg_" + context_.id},
            {"type", "message"},
            {"status", was_cut(*answer.end) ? "incomplete" : "completed"},
            {"role", "assistant"},
            {"content", Json::array({content})}};
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
    json["output"] = finished ? Json::array({message(answer)}) : Json::array();
    json["parallel_tool_calls"] = false;
    json["previous_response_id"] = nullptr;
    json["store"] = false;
    json["temperature"] = generate.temperature;
    json["text"] = {{"format", format_}};
    json["tool_choice"] = "none";
    json["tools"] = Json::array();
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

  ResponseStream stream_;
  Json format_{{"type", "text"}}, metadata_ = Json::object();
};

}  // namespace

std::unique_ptr<Exchange> open_responses(const JsonView& body, const Context& context) {
  return std::make_unique<Responses>(body, context);
}

}  // namespace isthmus::protocol
