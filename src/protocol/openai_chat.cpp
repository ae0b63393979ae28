#include "protocol/openai_chat.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/calls.h"
#include "protocol/content.h"
#include "protocol/fields.h"
#include "protocol/logprobs.h"
#include "protocol/server_sent_events.h"
#include "protocol/tools.h"

namespace isthmus::protocol {
namespace {

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
    written_.assign(answers().size(), Written{CallFinder(use_)});
  }

  Json whole() const override {
    Json body = opening("chat.completion");
    for (size_t i = 0; i < answers().size(); ++i) {
      const AnswerSoFar& answer = answers()[i];
      const std::vector<Spoken> spoken = spoken_in(use_, answer.text);
      std::string content;
      Json calls = Json::array();
      for (const Spoken& one : spoken) {
        content += one.text;
        if (one.call) calls.push_back(called(i, calls.size(), one.call->name, one.call->arguments));
      }
      Json message{{"role", "assistant"}, {"content", content}, {"refusal", nullptr}};
      if (!calls.empty()) {
        if (content.empty()) message["content"] = nullptr;
        message["tool_calls"] = std::move(calls);
      }
      Json choice{{"index", i}, {"message", std::move(message)}};
      choice["logprobs"] = logprobs(answer.tokens);
      choice["finish_reason"] = reason(*answer.end, calls_tools(spoken));
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
    if (!use_.tools.empty()) return chunks(answer, written_[answer].finder.take(piece.text));
    return chunk(answer, {{"content", piece.text}}, logprobs(piece.tokens), nullptr);
  }
  std::string ended(size_t answer, const serving::Finished& end) override {
    Written& written = written_[answer];
    const std::string rest = chunks(answer, written.finder.finish());
    const bool calls = written.calls > 0 && !written.within_call;
    return rest + chunk(answer, Json::object(), nullptr, reason(end, calls));
  }

 private:
  static std::string_view reason(const serving::Finished& end, bool calls) {
    return calls && !was_cut(end) ? "tool_calls" : openai_reason(end);
  }

  Json called(size_t answer, size_t number, const std::string& name,
              const std::string& arguments) const {
    return {{"id", fmt::format("call_{}_{}_{}", context_.id, answer, number)},
            {"type", "function"},
            {"function", {{"name", name}, {"arguments", arguments}}}};
  }

  // The name of a call first, then its arguments, as OpenAI's own streams have it.
  std::string chunks(size_t answer, const std::vector<Said>& all) {
    std::string out;
    Written& written = written_[answer];
    const auto add = [&](Json call) {
      call["index"] = written.calls - 1;
      out += chunk(answer, {{"tool_calls", Json::array({std::move(call)})}}, nullptr, nullptr);
    };
    for (const Said& said : all) {
      switch (said.kind) {
        case Said::Kind::kText:
          out += chunk(answer, {{"content", said.text}}, nullptr, nullptr);
          break;
        case Said::Kind::kCall:
          written.within_call = true;
          ++written.calls;
          add(called(answer, written.calls - 1, said.text, ""));
          break;
        case Said::Kind::kArguments: add({{"function", {{"arguments", said.text}}}}); break;
        case Said::Kind::kCallEnd: written.within_call = false; break;
      }
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
  // How far the stream of an answer has come.
  struct Written {
    CallFinder finder;
    size_t calls = 0;
    bool within_call = false;
  };
  std::vector<Written> written_;
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
