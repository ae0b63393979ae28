#include "protocol/native.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "isthmus/error.h"
#include "protocol/body.h"
#include "protocol/fields.h"
#include "protocol/logprobs.h"

namespace isthmus::protocol {
namespace {

constexpr int64_t kMostNativeTopLogprobs = 1000;

void refuse_files(const std::vector<Part>& parts) {
  for (const Part& part : parts)
    if (!part.path.empty() || !part.rgb.empty() || !part.mask.empty())
      throw UsageError(fmt::format(
          "{}: a medium ({}) names a file; send its bytes, as \"data\" and \"rgb_data\"",
          kBodySource, part.modality));
}

// What is ours alone is taken out; what is left is a request file.
Request read_request(const JsonView& body, const Context& context) {
  OrderedJson file = body.raw();
  for (const char* key : {"model", "stream", "answers", "top_logprobs", "aligner", "form"})
    file.erase(key);
  // What a request does not say stays as the server has it.
  OrderedJson& generate = file["generate"];
  if (generate.is_null()) generate = OrderedJson::object();
  if (generate.is_object() && !generate.contains("max_new_tokens"))
    generate["max_new_tokens"] = context.defaults.max_new_tokens;
  Request request = Request::parse(file.dump(), std::string(kBodySource), {});
  refuse_files(request.prompt);
  for (const Message& message : request.messages) refuse_files(message.content);
  return request;
}

// {"schema": …} or {"grammar": …}
serving::OutputForm read_own_form(const JsonView& form) {
  if (form.contains("schema")) return form_of_schema(form.at("schema"));
  return {serving::OutputForm::Kind::kGrammar, form.string("grammar")};
}

class Native : public Exchange {
 public:
  Native(const JsonView& body, const Context& context) : Exchange(context) {
    streams = body.boolean("stream", false);
    serving::Question question = question_for(context);
    question.request = read_request(body, context);
    question.answers = read_answers(body, "answers", context);
    if (body.contains("top_logprobs")) {
      question.top_logprobs = body.integer("top_logprobs");
      require_between(body, "top_logprobs", static_cast<double>(*question.top_logprobs), 0,
                      kMostNativeTopLogprobs);
    }
    question.aligner = body.string("aligner", "");
    if (const auto form = body.find("form")) question.form = read_own_form(*form);
    questions.push_back(std::move(question));
    expect_answers();
  }

  Json whole() const override {
    Json list = Json::array();
    for (const AnswerSoFar& answer : answers()) {
      Json json{{"text", answer.text}};
      if (questions.front().top_logprobs) json["tokens"] = token_logprobs(answer.tokens);
      json.update(end_of(*answer.end));
      list.push_back(std::move(json));
    }
    return {{"id", context_.id},
            {"model", context_.card.name},
            {"prompt_tokens", prompt_tokens()},
            {"reused_tokens", reused_tokens()},
            {"answers", std::move(list)}};
  }

  std::string last() override { return line({{"event", "done"}}); }
  std::string broken_off(const Failure& failure) override {
    return line({{"event", "error"}, {"message", failure.message}});
  }
  std::string_view stream_type() const override { return "application/x-ndjson"; }

 protected:
  std::string begun() override {
    return line({{"event", "admitted"},
                 {"id", context_.id},
                 {"model", context_.card.name},
                 {"prompt_tokens", prompt_tokens()},
                 {"reused_tokens", reused_tokens()}});
  }
  std::string continued(size_t answer, const serving::Piece& piece) override {
    Json json{{"event", "piece"}, {"answer", answer}, {"text", piece.text}};
    if (questions.front().top_logprobs) json["tokens"] = token_logprobs(piece.tokens);
    return line(json);
  }
  std::string ended(size_t answer, const serving::Finished& end) override {
    Json json{{"event", "finished"}, {"answer", answer}};
    json.update(end_of(end));
    return line(json);
  }

 private:
  static std::string line(const Json& json) { return dumped(json) + "\n"; }

  static Json end_of(const serving::Finished& end) {
    const Timings& t = end.timings;
    Json json{{"finish_reason", end.reason}};
    if (!end.stop_string.empty()) json["stop_string"] = end.stop_string;
    json["timings"] = {{"encode_s", t.encode},
                       {"prefill_s", t.prefill},
                       {"decode_s", t.decode},
                       {"generated_tokens", t.generated_tokens}};
    return json;
  }
};

}  // namespace

std::unique_ptr<Exchange> open_native(const JsonView& body, const Context& context) {
  return std::make_unique<Native>(body, context);
}

}  // namespace isthmus::protocol
