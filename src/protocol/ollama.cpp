#include "protocol/ollama.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "protocol/calls.h"
#include "protocol/content.h"
#include "protocol/data_uri.h"
#include "protocol/fields.h"
#include "protocol/logprobs.h"
#include "protocol/tools.h"

namespace isthmus::protocol {
namespace {

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

void require_pictures(const JsonView& images, const serving::Card& card) {
  if (std::ranges::find(card.modalities, "image") == card.modalities.end())
    images.fail(fmt::format("{} takes no pictures", card.name));
}

// Pictures stand before the text they come with.
std::vector<Part> read_images(const JsonView& holder, const Context& context) {
  std::vector<Part> parts;
  const auto images = holder.find("images");
  if (!images) return parts;
  const auto all = images->elements();
  if (!all.empty()) require_pictures(*images, context.card);
  for (const JsonView& image : all)
    parts.push_back(Part::of_image_data(read_bytes(image, context)));
  return parts;
}

std::vector<Message> read_chat(const JsonView& messages, const Context& context) {
  std::vector<Message> read;
  bool after_result = false;
  for (const JsonView& message : messages.elements()) {
    after_result = read_result(message, context, after_result, read);
    if (after_result) continue;
    std::vector<Part> content = read_images(message, context);
    // Lists of parts, as other APIs have them, bring media of all kinds.
    if (const auto text = message.find("content"))
      for (Part& part : read_content(*text, context)) content.push_back(std::move(part));
    read_calls(message, context, content);
    read.push_back({read_role(message), std::move(content)});
  }
  if (read.empty()) messages.fail("is empty");
  return read;
}

// num_predict: -1 as long as it takes, -2 as long as the context is.
void read_options(const JsonView& body, const Context& context, GenerationConfig& generate) {
  const auto options = body.find("options");
  const JsonView fields = options ? *options : JsonView::of(Json::object(), "request");
  read_sampling(fields, context, generate, "repeat_penalty");
  read_stop(fields, "stop", generate);
  // -1: as far as the context reaches, which is all there is.
  generate.penalty_last_n = fields.integer("repeat_last_n", generate.penalty_last_n);
  fields.require(generate.penalty_last_n >= -1, "repeat_last_n",
                 fmt::format("expected -1 (all) or more, found {}", generate.penalty_last_n));
  if (const int64_t length = fields.integer("num_predict", 0); length > 0)
    generate.max_new_tokens = length;
  else if (length < 0)
    generate.max_new_tokens = std::max<int64_t>(1, context.card.context_length);
}

// The name of one of ours, where the clients of others let a word of ours through.
std::string template_of(const JsonView& body) {
  const auto options = body.find("options");
  return options ? options->string("template", "") : "";
}

class Ollama : public Exchange {
 public:
  enum class Kind { kChat, kGenerate };

  Ollama(Kind kind, const JsonView& body, const Context& given)
      : Exchange(context_of(kind, body, given)), kind_(kind), began_(serving::Clock::now()) {
    const Context& context = context_;
    streams = body.boolean("stream", true);
    serving::Question question = question_for(context);
    if (kind == Kind::kChat)
      question.request.messages = read_chat(body.at("messages"), context);
    else
      read_prompt(body, question.request);
    read_options(body, context, question.request.generate);
    if (question.request.prompt.empty())  // it has no meaning beside a literal prompt
      question.request.conversation_template = template_of(body);
    use_ = read_tools(body, context, ToolsSpelling::kOllama);
    if (const auto think = body.find("think"))
      if (!think->is_boolean() || think->as_boolean())
        think->fail("this model does not think aloud; leave it out");
    if (const auto format = body.find("format")) read_format(*format, question);
    if (body.boolean("logprobs", false)) {
      question.top_logprobs = body.integer("top_logprobs", 0);
      require_between(body, "top_logprobs", static_cast<double>(*question.top_logprobs), 0,
                      kMostTopLogprobs);
    }
    body.require(use_.tools.empty() || !question.top_logprobs, "logprobs",
                 "are not told beside tools; leave one of them out");
    tell_tools(use_, question, body);
    question.aligner = body.string("aligner", "");
    questions.push_back(std::move(question));
    expect_answers();
  }

  // A prompt alone has no place for tools.
  static Context context_of(Kind kind, const JsonView& body, const Context& given) {
    Context context = context_with_template(given, template_of(body));
    context.calls_tools = context.calls_tools && kind == Kind::kChat;
    return context;
  }

  Json whole() const override {
    std::string text;
    Json calls = Json::array();
    for (const Spoken& one : spoken_in(use_, answers().front().text, CallFinder::Forced::kWhole)) {
      text += one.text;
      if (one.call) calls.push_back(called(*one.call));
    }
    Json line = finished(text, answers().front().tokens);
    if (!calls.empty()) line["message"]["tool_calls"] = std::move(calls);
    return line;
  }
  std::string last() override { return lines(finder_.finish()) + dumped(finished("", {})) + "\n"; }
  std::string broken_off(const Failure& failure) override {
    return error_body(failure, Dialect::kOllama, context_.id) + "\n";
  }
  std::string_view stream_type() const override { return "application/x-ndjson"; }

 protected:
  std::string continued(size_t, const serving::Piece& piece) override {
    if (!use_.tools.empty()) return lines(finder_.take(piece.text));
    Json line = with_text(piece.text, piece.tokens);
    line["done"] = false;
    return dumped(line) + "\n";
  }
  std::string ended(size_t, const serving::Finished&) override { return ""; }

 private:
  static Json called(const ToolCall& call) {
    return {{"function", {{"name", call.name}, {"arguments", arguments_of(call)}}}};
  }

  // Of calls in pieces the API knows nothing.
  std::string lines(const std::vector<Said>& all) const {
    std::string out;
    std::vector<Spoken> spoken;
    add_said(all, spoken);
    for (const Spoken& one : spoken) {
      Json line = with_text(one.text, {});
      if (one.call) line["message"]["tool_calls"] = Json::array({called(*one.call)});
      line["done"] = false;
      out += dumped(line) + "\n";
    }
    return out;
  }

  void read_prompt(const JsonView& body, Request& request) const {
    body.require(body.string("suffix", "").empty(), "suffix", "text is not filled in here");
    if (const auto context = body.find("context"))
      if (!context->elements().empty())
        context->fail("lists of token ids are not read here; use /api/chat");
    if (const auto words = body.find("template"))
      if (!words->as_string().empty())
        words->fail("templates are not sent along; \"raw\": true takes the prompt as it is");
    std::vector<Part> content = read_images(body, context_);
    const std::string prompt = body.string("prompt");
    content.push_back(Part::of_text(prompt));
    if (body.boolean("raw", false)) {
      body.require(!prompt.empty(), "prompt", "is empty");
      request.prompt = std::move(content);
      return;
    }
    if (const std::string system = body.string("system", ""); !system.empty())
      request.messages.push_back({"system", {Part::of_text(system)}});
    request.messages.push_back({"user", std::move(content)});
  }

  // "json", a schema, or "" for none.
  static void read_format(const JsonView& format, serving::Question& question) {
    if (format.is_object()) {
      question.form = form_of_schema(format);
    } else if (const std::string word = format.as_string(); word == "json") {
      question.form = form_of_object();
    } else if (!word.empty()) {
      format.fail(fmt::format("\"{}\" is neither json nor a schema", word));
    }
  }

  Json with_text(const std::string& text, std::span<const serving::Token> tokens) const {
    Json line{{"model", context_.card.name}, {"created_at", ollama_time(context_.created)}};
    if (kind_ == Kind::kChat)
      line["message"] = {{"role", "assistant"}, {"content", text}};
    else
      line["response"] = text;
    if (questions.front().top_logprobs) line["logprobs"] = token_logprobs(tokens);
    return line;
  }

  Json finished(const std::string& text, std::span<const serving::Token> tokens) const {
    const serving::Finished& end = *answers().front().end;
    const Timings& timings = end.timings;
    Json line = with_text(text, tokens);
    line["done"] = true;
    line["done_reason"] = was_cut(end) ? "length" : "stop";
    line["total_duration"] =
        nanoseconds(std::chrono::duration<double>(serving::Clock::now() - began_).count());
    line["load_duration"] = 0;
    line["prompt_eval_count"] = prompt_tokens();
    line["prompt_eval_duration"] = nanoseconds(timings.encode + timings.prefill);
    line["eval_count"] = generated_tokens();
    line["eval_duration"] = nanoseconds(timings.decode);
    return line;
  }

  Kind kind_;
  serving::Clock::time_point began_;
  ToolUse use_;
  CallFinder finder_{use_, CallFinder::Forced::kWhole};
};

}  // namespace

std::string ollama_time(int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::unique_ptr<Exchange> open_ollama_chat(const JsonView& body, const Context& context) {
  return std::make_unique<Ollama>(Ollama::Kind::kChat, body, context);
}

std::unique_ptr<Exchange> open_ollama_generate(const JsonView& body, const Context& context) {
  return std::make_unique<Ollama>(Ollama::Kind::kGenerate, body, context);
}

}  // namespace isthmus::protocol
