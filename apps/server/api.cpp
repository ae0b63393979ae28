#include "api.h"

#include <chrono>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "access.h"
#include "answering.h"
#include "connection.h"
#include "fetcher.h"
#include "isthmus/error.h"
#include "media_caps.h"
#include "protocol/anthropic.h"
#include "protocol/body.h"
#include "protocol/embeddings.h"
#include "protocol/ollama_cards.h"
#include "protocol/openai_cards.h"

namespace isthmus::server {
namespace {

using namespace std::chrono_literals;

constexpr auto kGlance = 100ms;            // between two looks at whether the client is still there
constexpr auto kSilence = 10s;             // then a stream shows that it lives
constexpr const char* kComment = ":\n\n";  // which clients of server-sent events skip

int64_t now_since_1970() {
  return std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
}

uint64_t fresh_seed() {
  std::random_device random;
  return uint64_t{random()} << 31 ^ random();  // 63 bits: a seed that JSON can say
}

std::string model_of(const JsonView& body, const char* other = "model") {
  std::string name;
  protocol::reading_a_request([&] { name = body.string("model", body.string(other, "")); });
  return name;
}

// `by_model`: what the name of the model says of an aligner.
void choose_aligner(serving::Question& question, const std::string& by_model) {
  if (!by_model.empty() && !question.aligner.empty() && question.aligner != by_model)
    throw protocol::Failure{400,
                            fmt::format("aligner: \"{}\", but the name of the model says \"{}\"",
                                        question.aligner, by_model),
                            "aligner"};
  if (question.aligner.empty()) question.aligner = by_model;
}

std::string aligner_of(const JsonView& body, const std::string& by_model) {
  serving::Question question;
  protocol::reading_a_request([&] { question.aligner = body.string("aligner", ""); });
  choose_aligner(question, by_model);
  return question.aligner;
}

// Nothing came of it: the server is leaving, or time ran out.
protocol::Failure failure_of_end(const std::string& reason) {
  if (reason == "deadline")
    return {504, "the answer did not begin in the time that is allowed", ""};
  return {503, "the server is shutting down", "", 5};
}

// The service gave up without a word.
protocol::Failure unfinished(Visit& visit) {
  visit.detail = "an answer has no end";
  return protocol::failure_of(InternalError("").exit_code(), visit.detail, visit.id());
}

}  // namespace

protocol::Context Api::context_for(const Models::Chosen& chosen, Visit& visit,
                                    std::function<bool()> client_left) const {
  protocol::Context context;
  context.card = chosen.service->card();
  visit.model = context.card.name;
  if (!chosen.aligner.empty())  // the answer names it as the request did
    context.card = protocol::card_with(std::move(context.card), chosen.aligner);
  context.id = visit.id();
  context.created = now_since_1970();
  context.defaults = settings_.defaults;
  context.fresh_seed = fresh_seed();
  context.most_answers = settings_.most_answers;
  if (!settings_.fetch.hosts.empty()) {
    const auto fetcher = std::make_shared<Fetcher>(settings_.fetch, std::move(client_left));
    context.fetch = [fetcher](const std::string& address) { return fetcher->fetch(address); };
  }
  return context;
}

void Api::converse(Opener open, const std::string& body, const httplib::Request& request,
                   httplib::Response& response, const std::shared_ptr<Visit>& visit) const {
  std::unique_ptr<protocol::Exchange> exchange;
  Models::Chosen chosen;
  const Connection connection(request);
  {
    const JsonView json = protocol::parse_body(body);
    chosen = models_.chosen(model_of(json));
    const protocol::Context context =
        context_for(chosen, *visit, [connection] { return connection.left(); });
    protocol::reading_a_request([&] { exchange = open(json, context); });
  }
  check_media(exchange->questions, settings_.caps);
  for (serving::Question& question : exchange->questions) {
    question.client = client_of(request, settings_);
    choose_aligner(question, chosen.aligner);
    if (settings_.longest_answer > 0s)
      question.deadline = visit->began() + settings_.longest_answer;
  }
  visit->streams = exchange->streams;
  auto answering =
      std::make_shared<Answering>(std::move(exchange), *chosen.service, meters_, *visit);

  // A stream begins with its first event: until then, what is wrong has a status of its own.
  std::string out;
  const auto enough = [&] { return answering->done() || (visit->streams && !out.empty()); };
  while (!enough())
    if (!answering->step(kGlance, out) && connection.left()) throw ClientLeft();
  if (answering->failed()) throw NoAnswer{protocol::failure_of(*answering->failed(), visit->id())};
  if (answering->done() && !answering->exchange().complete()) throw NoAnswer{unfinished(*visit)};
  if (const auto reason = answering->exchange().came_to_nothing())
    throw NoAnswer{failure_of_end(*reason)};
  if (visit->streams)
    stream(std::move(answering), connection, response, visit, std::move(out));
  else
    response.set_content(protocol::dumped(answering->exchange().whole()), "application/json");
}

void Api::stream(std::shared_ptr<Answering> answering, const Connection& connection,
                 httplib::Response& response, const std::shared_ptr<Visit>& visit,
                 std::string begun) const {
  response.set_header("Cache-Control", "no-cache");
  response.set_header("X-Accel-Buffering", "no");  // nginx would collect the pieces
  const std::string type(answering->exchange().stream_type());
  const bool comments = type == "text/event-stream";
  // The visit is named after the exchange that reports to it, so that it ends after it.
  struct State {
    std::shared_ptr<Visit> visit;
    std::shared_ptr<Answering> answering;
    Connection connection;
    std::string out;
    serving::Clock::time_point spoke = serving::Clock::now();
  };
  auto state =
      std::make_shared<State>(State{visit, std::move(answering), connection, std::move(begun)});
  const auto provide = [state, comments](size_t, httplib::DataSink& sink) {
    State& s = *state;
    if (s.out.empty() && !s.answering->done() && !s.answering->step(kGlance, s.out) &&
        s.connection.left())
      return false;
    if (comments && s.out.empty() && serving::Clock::now() - s.spoke > kSilence) s.out = kComment;
    const bool last = s.answering->done();
    if (last) {
      protocol::Exchange& exchange = s.answering->exchange();
      if (const auto& failed = s.answering->failed())
        s.out += exchange.broken_off(protocol::failure_of(*failed, s.visit->id()));
      else
        s.out += exchange.complete() ? exchange.last() : exchange.broken_off(unfinished(*s.visit));
    }
    if (!s.out.empty()) {
      if (!sink.write(s.out.data(), s.out.size())) return false;
      s.out.clear();
      s.spoke = serving::Clock::now();
    }
    if (last) sink.done();
    return true;
  };
  const auto release = [state](bool written) {
    if (!state->answering) return;
    if (!written && state->visit->outcome != "failed") state->visit->outcome = "left";
    state->answering->cancel();
    state->answering.reset();
    state->visit.reset();
  };
  response.set_chunked_content_provider(type, provide, release);
}

protocol::Json Api::embed(const std::string& body, Visit& visit, bool ollama) const {
  const JsonView json = protocol::parse_body(body);
  const Models::Chosen chosen = models_.chosen(model_of(json));
  const protocol::Context context = context_for(chosen, visit);
  protocol::Points asked;
  protocol::reading_a_request([&] { asked = protocol::read_points(json, context); });
  check_media(std::span<const Part>(asked.inputs), settings_.caps);
  const std::string aligner = aligner_of(json, chosen.aligner);
  const auto points = chosen.service->embed(asked.inputs, aligner);
  if (ollama) return protocol::ollama_points(points, context);
  for (Part& input : asked.inputs) {
    if (input.type != Part::Type::kText) continue;
    Request text;
    text.prompt.push_back(std::move(input));
    visit.prompt_tokens += chosen.service->count_tokens(text, aligner);
  }
  return protocol::openai_points(asked, points, visit.prompt_tokens, context);
}

protocol::Json Api::count_tokens(const std::string& body, Visit& visit) const {
  const JsonView json = protocol::parse_body(body);
  const Models::Chosen chosen = models_.chosen(model_of(json));
  const protocol::Context context = context_for(chosen, visit);
  Request asked;
  protocol::reading_a_request([&] { asked = protocol::read_prompt_to_count(json, context); });
  check_media(asked, settings_.caps);
  const std::string aligner = aligner_of(json, chosen.aligner);
  return {{"input_tokens", chosen.service->count_tokens(asked, aligner)}};
}

protocol::Json Api::show(const std::string& body) const {
  const JsonView json = protocol::parse_body(body);
  return protocol::ollama_show(models_.card(model_of(json, "name")), now_since_1970());
}

}  // namespace isthmus::server
