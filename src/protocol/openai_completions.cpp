#include "protocol/openai_completions.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/content.h"
#include "protocol/fields.h"
#include "protocol/logprobs.h"
#include "protocol/openai_chat.h"
#include "protocol/server_sent_events.h"

namespace isthmus::protocol {
namespace {

constexpr int64_t kDefaultLength = 16;  // OpenAI's
constexpr int64_t kMostLogprobs = 20;
constexpr size_t kMostPrompts = 64;

std::vector<Part> read_literal(const std::vector<JsonView>& parts, const Context& context) {
  std::vector<Part> read;
  for (const JsonView& part : parts) {
    const bool is_token = part.is_object() && part.string("type") == "token";
    read.push_back(is_token ? Part::of_token(part.string("text")) : read_part(part, context));
  }
  return read;
}

// What one question of the body begins with: parts, or ids of tokens.
struct Prompt {
  std::vector<Part> parts;
  std::vector<int64_t> ids;
};

Prompt read_ids(const JsonView& list) {
  Prompt prompt;
  for (const JsonView& id : list.elements()) prompt.ids.push_back(id.as_integer());
  if (prompt.ids.empty()) list.fail("is empty");
  return prompt;
}

std::vector<Prompt> read_prompts(const JsonView& prompt, const Context& context) {
  if (prompt.is_string()) return {{{Part::of_text(prompt.as_string())}, {}}};
  const auto elements = prompt.elements();
  if (elements.empty()) prompt.fail("is empty");
  if (elements.front().is_number()) return {read_ids(prompt)};
  if (elements.front().is_object()) return {{read_literal(elements, context), {}}};
  if (elements.size() > kMostPrompts)
    prompt.fail(fmt::format("more than {} prompts", kMostPrompts));
  std::vector<Prompt> prompts;
  for (const JsonView& one : elements)
    prompts.push_back(one.is_array() ? read_ids(one)
                                     : Prompt{{Part::of_text(one.as_string())}, {}});
  return prompts;
}

// The text that a prompt is, to be written back before its answer.
std::string text_of(const Prompt& prompt, const JsonView& body) {
  body.require(prompt.ids.empty(), "echo", "is done of texts alone, not of lists of token ids");
  std::string text;
  for (const Part& part : prompt.parts) {
    body.require(part.type == Part::Type::kText, "echo",
                 "is done of texts alone, not of media and tokens");
    text += part.text;
  }
  return text;
}

class Completions : public Exchange {
 public:
  Completions(const JsonView& body, const Context& context) : Exchange(context) {
    streams = body.boolean("stream", false);
    include_usage_ = wants_usage(body);
    serving::Question question = question_for(context);
    GenerationConfig& generate = question.request.generate;
    read_sampling(body, context, generate);
    generate.max_new_tokens = read_length(body, {"max_tokens"})
                                  .value_or(std::min(kDefaultLength, generate.max_new_tokens));
    read_stop(body, "stop", generate);
    question.answers = read_answers(body, "n", context);
    if (body.contains("logprobs")) {
      question.top_logprobs = body.integer("logprobs");
      require_between(body, "logprobs", static_cast<double>(*question.top_logprobs), 0,
                      kMostLogprobs);
    }
    if (const auto format = body.find("response_format"))
      question.form = read_form(*format, /*nested_schema=*/true);
    read_extensions(body, question);
    // A form says what is shown, from its first character on.
    question.continues_text = !question.form;
    question.request.conversation_template.clear();  // has no meaning beside a literal prompt
    refuse_unless(body, "best_of", static_cast<double>(question.answers), "");
    const bool echo = body.boolean("echo", false);
    body.require(!echo || !question.top_logprobs, "echo",
                 "tokens of the prompt have no logprobs here; ask without them");
    body.require(body.string("suffix", "").empty(), "suffix", "text is not filled in here");
    for (auto& prompt : read_prompts(body.at("prompt"), context)) {
      echoes_.push_back(echo ? text_of(prompt, body) : "");
      questions.push_back(question);
      questions.back().request.prompt = std::move(prompt.parts);
      questions.back().request.prompt_ids = std::move(prompt.ids);
    }
    expect_answers();
  }

  Json whole() const override {
    Json body = opening();
    for (size_t i = 0; i < answers().size(); ++i) {
      const AnswerSoFar& answer = answers()[i];
      body["choices"].push_back(choice(i, echo_of(i) + answer.text, logprobs(answer.tokens, 0),
                                       Json(openai_reason(*answer.end))));
    }
    body["usage"] = openai_usage(*this);
    return body;
  }

  std::string last() override {
    std::string out;
    if (include_usage_) {
      Json chunk = opening();
      chunk["usage"] = openai_usage(*this);
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
      if (!echo_of(i).empty()) out += chunk(choice(i, echo_of(i), nullptr, nullptr));
    return out;
  }
  std::string continued(size_t answer, const serving::Piece& piece) override {
    return chunk(
        choice(answer, piece.text, logprobs(piece.tokens, answers()[answer].text.size()), nullptr));
  }
  std::string ended(size_t answer, const serving::Finished& end) override {
    return chunk(choice(answer, "", nullptr, openai_reason(end)));
  }

 private:
  Json opening() const {
    return {{"id", "cmpl-" + context_.id},
            {"object", "text_completion"},
            {"created", context_.created},
            {"model", context_.card.name},
            {"choices", Json::array()}};
  }

  static Json choice(size_t index, const std::string& text, Json logprobs, Json reason) {
    Json choice{{"index", index}, {"text", text}};
    choice["logprobs"] = std::move(logprobs);
    choice["finish_reason"] = std::move(reason);
    return choice;
  }

  std::string chunk(Json choice) const {
    Json chunk = opening();
    chunk["choices"].push_back(std::move(choice));
    if (include_usage_) chunk["usage"] = nullptr;
    return sse(chunk);
  }

  Json logprobs(std::span<const serving::Token> tokens, size_t offset) const {
    return questions.front().top_logprobs ? parallel_logprobs(tokens, offset) : Json(nullptr);
  }

  const std::string& echo_of(size_t answer) const {
    return echoes_[answer / static_cast<size_t>(questions.front().answers)];
  }

  std::vector<std::string> echoes_;  // of each question; "" where none is asked for
  bool include_usage_ = false;
};

}  // namespace

std::unique_ptr<Exchange> open_completions(const JsonView& body, const Context& context) {
  return std::make_unique<Completions>(body, context);
}

}  // namespace isthmus::protocol
