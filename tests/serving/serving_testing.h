// Shared by the tests of serving: models of the demo, and what comes of a question.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/load.h"
#include "serving/load.h"
#include "serving/scheduler.h"

namespace isthmus::serving_testing {

using namespace serving;

inline const std::filesystem::path kDemo = std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo";

inline std::filesystem::path picture(const std::string& name) { return kDemo / "pictures" / name; }

// An engine of a model's own, and a family for schedulers: two copies, so that neither sees what
// the other keeps.
inline std::unique_ptr<engine::Engine> engine_of(const std::filesystem::path& model,
                                                 const std::string& kv_cache = "f32") {
  LoadOptions options;
  options.kv_cache = kv_cache;
  return engine::load_engine(model.string(), "", "", options);
}

inline std::unique_ptr<Service> service_of(const std::filesystem::path& model,
                                           const SchedulerOptions& options = {},
                                           const std::string& kv_cache = "f32") {
  LoadOptions load;
  load.kv_cache = kv_cache;
  return load_service(model.string(), "", "", load, options);
}

inline Request request_of(const std::string& text, const std::vector<std::string>& pictures = {}) {
  Request request;
  Message message{"user", {}};
  for (const std::string& name : pictures) message.content.push_back(Part::of_image(picture(name)));
  message.content.push_back(Part::of_text(text));
  request.messages.push_back(message);
  request.generate.max_new_tokens = 24;
  return request;
}

inline Question question_of(const Request& request) {
  Question question;
  question.request = request;
  question.top_logprobs = 0;  // so that tokens are known, not only the text
  return question;
}

// Everything that was posted for one question.
struct Outcome {
  struct Said {
    std::string text, reason, stop_string;
    std::vector<Token> tokens;
    Timings timings;
    int pieces = 0;

    std::vector<int64_t> ids() const {
      std::vector<int64_t> all;
      for (const Token& token : tokens) all.push_back(token.chosen.id);
      return all;
    }
  };
  std::vector<Said> answers;
  int admissions = 0;
  Admitted admitted{};
  std::string failure;
  int code = 0;
};

inline void take(Outcome& outcome, Event event) {
  if (auto* admitted = std::get_if<Admitted>(&event)) {
    ++outcome.admissions;
    outcome.admitted = *admitted;
  } else if (auto* piece = std::get_if<Piece>(&event)) {
    auto& said = outcome.answers.at(static_cast<size_t>(piece->answer));
    said.text += piece->text;
    ++said.pieces;
    said.tokens.insert(said.tokens.end(), piece->tokens.begin(), piece->tokens.end());
  } else if (auto* finished = std::get_if<Finished>(&event)) {
    auto& said = outcome.answers.at(static_cast<size_t>(finished->answer));
    EXPECT_EQ(said.reason, "") << "it ends once";
    said.reason = finished->reason;
    said.stop_string = finished->stop_string;
    said.timings = finished->timings;
  } else {
    const auto& failed = std::get<Failed>(event);
    outcome.failure = failed.message;
    outcome.code = failed.code;
  }
}

// Waits until all is said; a minute at most.
inline Outcome outcome_of(Ticket& ticket, int64_t answers = 1) {
  Outcome outcome;
  outcome.answers.resize(static_cast<size_t>(answers));
  const auto end = Clock::now() + std::chrono::minutes(1);
  while (!ticket.done() && Clock::now() < end)
    if (auto event = ticket.next(std::chrono::seconds(1))) take(outcome, std::move(*event));
  EXPECT_TRUE(ticket.done());
  return outcome;
}

// All asked before any is waited for.
inline std::vector<Outcome> outcomes_of(Service& service, const std::vector<Question>& questions) {
  std::vector<std::unique_ptr<Ticket>> tickets;
  for (const Question& question : questions) tickets.push_back(service.ask(question));
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i < tickets.size(); ++i)
    outcomes.push_back(outcome_of(*tickets[i], questions[i].answers));
  return outcomes;
}

}  // namespace isthmus::serving_testing
