#include "protocol/openai_chat.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/content.h"
#include "protocol/fields.h"
#include "protocol/logprobs.h"
#include "protocol/server_sent_events.h"
#include "protocol/tools.h"

namespace isthmus::protocol {
namespace {

constexpr int64_t kMostTopLogprobs = 20;

class Chat : public Exchange {
 public:
  Chat(const JsonView& body, const Context& given)
      : Exchange(context_with_template(given, body.string("template", ""))) {
    const Context& context = context_;
    streams = body.boolean("stream", false);
    include_usage_ = wants_usage(body);
    serving::Question question = question_for(context);
    question.request.messages = read_messages(body.at("messages"), context);
    GenerationConfig& generate = question.request.generate;
    read_sampling(body, context, generate);
    if (const auto length = read_length(body, {"max_completion_tokens", "max_tokens"}))
      generate.max_new_tokens = *length;
    read_stop(body, "stop", generate);
    question.answers = read_answers(body, "n", context);
    read_logprobs(body, question);
    if (const auto format = body.find("response_format"))
      question.form = read_form(*format, /*nested_schema=*/true);
    read_extensions(body, question);
    use_ = read_tools(body, context, ToolsSpelling::kOpenAi);
    body.require(use_.tools.empty() || !question.top_logprobs, "logprobs",
                 "are not told beside tools; leave one of them out");
    tell_tools(use_, question, body);
    questions.push_back(std::move(question));
    expect_answers();
    finders_.assign(answers().size(), CallFinder(use_));
    called_.assign(answers().size(), 0);
  }

  Json whole() const override {
    Json body = opening("chat.completion");
    for (size_t i = 0; i < answers().size(); ++i) {
      const AnswerSoFar& answer = answers()[i];
      const WholeAnswer said = split_calls(use_, answer.text);
      Json message{{"role", "assistant"}, {"content", said.text}, {"refusal", nullptr}};
      if (!said.calls.empty()) {
        if (said.text.empty()) message["content"] = nullptr;
        for (const ToolCall& call : said.calls)
          message["tool_calls"].push_back(called(i, message["tool_calls"].size(), call));
      }
      Json choice{{"index", i}, {"message", std::move(message)}};
      choice["logprobs"] = logprobs(answer.tokens);
      choice["finish_reason"] = reason(*answer.end, !said.calls.empty());
      body["choices"].push_back(std::move(choice));
    }
    body["usage"] = openai_usage(*this);
    body["timings"] = timings();
    return body;
  }

  std::string last() override {
    std::string out;
    if (include_usage_) {
      Json chunk = opening("chat.completion.chunk");
      chunk["usage"] = openai_usage(*this);
      chunk["timings"] = timings();
      out = sse(chunk);
    }
    return out.append(kSseDone);
  }

  std::string broken_off(const Failure& failure) override {
    return "data: " + error_body(failure, Dialect::kOpenAi, context_.id) + "\n\n";
  }

 protected:
  std::string begun() override {
    std::string out;
    for (size_t i = 0; i < answers().size(); ++i)
      out += chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
    return out;
  }
  std::string continued(size_t answer, const serving::Piece& piece) override {
    if (!use_.tools.empty()) return chunks(answer, finders_[answer].take(piece.text));
    return chunk(answer, {{"content", piece.text}}, logprobs(piece.tokens), nullptr);
  }
  std::string ended(size_t answer, const serving::Finished& end) override {
    const std::string rest = chunks(answer, finders_[answer].finish());
    return rest + chunk(answer, Json::object(), nullptr, reason(end, called_[answer] > 0));
  }

 private:
  static std::string_view reason(const serving::Finished& end, bool calls) {
    return calls && !was_cut(end) ? "tool_calls" : openai_reason(end);
  }

  Json called(size_t answer, size_t number, const ToolCall& call) const {
    return {{"id", fmt::format("call_{}_{}_{}", context_.id, answer, number)},
            {"type", "function"},
            {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
  }

  // The name of a call first, then its arguments, as OpenAI's own streams have it.
  std::string chunks(size_t answer, const std::vector<Said>& all) {
    std::string out;
    const auto add = [&](Json call, size_t number) {
      call["index"] = number;
      out += chunk(answer, {{"tool_calls", Json::array({std::move(call)})}}, nullptr, nullptr);
    };
    for (const Said& said : all) {
      if (!said.call) {
        out += chunk(answer, {{"content", said.text}}, nullptr, nullptr);
        continue;
      }
      const size_t number = called_[answer]++;
      add(called(answer, number, {said.call->name, ""}), number);
      add({{"function", {{"arguments", said.call->arguments}}}}, number);
    }
    return out;
  }

  static void read_logprobs(const JsonView& body, serving::Question& question) {
    if (!body.boolean("logprobs", false)) {
      body.require(!body.contains("top_logprobs"), "top_logprobs", "needs \"logprobs\": true");
      return;
    }
    question.top_logprobs = body.integer("top_logprobs", 0);
    require_between(body, "top_logprobs", static_cast<double>(*question.top_logprobs), 0,
                    kMostTopLogprobs);
  }

  Json opening(std::string_view object) const {
    return {{"id", "chatcmpl-" + context_.id},
            {"object", object},
            {"created", context_.created},
            {"model", context_.card.name},
            {"choices", Json::array()}};
  }

  std::string chunk(size_t index, Json delta, Json logprobs, Json reason) const {
    Json chunk = opening("chat.completion.chunk");
    Json choice{{"index", index}, {"delta", std::move(delta)}};
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = std::move(reason);
    chunk["choices"].push_back(std::move(choice));
    if (include_usage_) chunk["usage"] = nullptr;
    return sse(chunk);
  }

  Json logprobs(std::span<const serving::Token> tokens) const {
    if (!questions.front().top_logprobs) return nullptr;
    return {{"content", token_logprobs(tokens)}, {"refusal", nullptr}};
  }

  // Seconds, of all answers; beside what OpenAI tells.
  Json timings() const {
    Timings sum;
    for (const AnswerSoFar& answer : answers()) {
      sum.encode += answer.end->timings.encode;
      sum.prefill += answer.end->timings.prefill;
      sum.decode += answer.end->timings.decode;
    }
    return {{"encode", sum.encode},
            {"prefill", sum.prefill},
            {"decode", sum.decode},
            {"prompt_tokens", prompt_tokens()},
            {"reused_tokens", reused_tokens()},
            {"generated_tokens", generated_tokens()}};
  }

  bool include_usage_ = false;
  ToolUse use_;
  std::vector<CallFinder> finders_;  // of each answer, which a stream is read by
  std::vector<size_t> called_;       // how many calls each has had
};

}  // namespace

std::string_view openai_reason(const serving::Finished& end) {
  return was_cut(end) ? "length" : "stop";
}

Json openai_usage(const Exchange& exchange) {
  const int64_t prompt = exchange.prompt_tokens(), generated = exchange.generated_tokens();
  return {{"prompt_tokens", prompt},
          {"completion_tokens", generated},
          {"total_tokens", prompt + generated},
          {"prompt_tokens_details", {{"cached_tokens", exchange.reused_tokens()}}}};
}

bool wants_usage(const JsonView& body) {
  const auto options = body.find("stream_options");
  if (!options) return false;
  body.require(body.boolean("stream", false), "stream_options", "needs \"stream\": true");
  return options->boolean("include_usage", false);
}

std::unique_ptr<Exchange> open_chat(const JsonView& body, const Context& context) {
  return std::make_unique<Chat>(body, context);
}

}  // namespace isthmus::protocol
