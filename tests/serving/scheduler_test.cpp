// What a service promises besides answers: events, limits, and what it keeps.
#include "serving/scheduler.h"

#include <cmath>
#include <thread>

#include <gtest/gtest.h>

#include "error_message.h"
#include "serving_testing.h"

namespace isthmus {
namespace {

using namespace serving_testing;
using namespace std::chrono_literals;

const std::filesystem::path kModel = kDemo / "llava/llava-v1.5-tabletop";

// For tests that leave nothing behind which others would see.
Service& shared() {
  static const std::unique_ptr<Service> service = service_of(kModel);
  return *service;
}

Outcome ask(Service& service, const Question& question) {
  const auto ticket = service.ask(question);
  return outcome_of(*ticket, question.answers);
}

// An answer that goes on for as long as the context allows.
Question endless_question() {
  Question question = question_of(request_of("What is in this picture?", {"table02.png"}));
  question.request.generate.max_new_tokens = 100000;
  question.request.generate.min_new_tokens = 100000;
  question.top_logprobs.reset();
  return question;
}

TEST(Scheduler, AnswersOfOneQuestionDifferByTheirSeeds) {
  Question question = question_of(request_of("Describe the picture.", {"table03.png"}));
  question.request.generate.temperature = 3;
  question.request.generate.seed = 1;
  question.answers = 3;
  const Outcome together = ask(shared(), question);
  EXPECT_EQ(together.admissions, 1);
  const auto alone = engine_of(kModel);
  for (uint64_t i = 0; i < 3; ++i) {
    Request request = question.request;
    request.generate.seed = 1 + i;
    EXPECT_EQ(together.answers[i].text, alone->generate(request, {}).text) << i;
  }
  EXPECT_NE(together.answers[0].text, together.answers[1].text);
}

TEST(Scheduler, PiecesComeWhileTheAnswerIsWritten) {
  const Outcome outcome =
      ask(shared(), question_of(request_of("What is in this picture?", {"table02.png"})));
  EXPECT_GT(outcome.answers[0].pieces, 5);
  EXPECT_EQ(outcome.answers[0].stop_string, "");
  EXPECT_GT(outcome.answers[0].timings.prefill, 0);
  EXPECT_GT(outcome.answers[0].timings.decode, 0);
}

TEST(Scheduler, StopStringsAreNamedAndCutOff) {
  Question question = question_of(request_of("What is in this picture?", {"table02.png"}));
  question.request.generate.stop = {"never", ". From"};
  const Outcome outcome = ask(shared(), question);
  EXPECT_EQ(outcome.answers[0].text, "There are two objects");
  EXPECT_EQ(outcome.answers[0].reason, "stop");
  EXPECT_EQ(outcome.answers[0].stop_string, ". From");
}

TEST(Scheduler, ProbabilitiesAreTheModelsOwn) {
  Question question = question_of(request_of("What is in this picture?", {"table02.png"}));
  question.top_logprobs = 3;
  question.request.generate.temperature = 2;  // which changes the choice, not what is told
  const Outcome outcome = ask(shared(), question);
  std::string joined;
  for (const Token& token : outcome.answers[0].tokens) {
    ASSERT_EQ(token.top.size(), 3u);
    EXPECT_GE(token.top[0].logprob, token.top[1].logprob);
    EXPECT_LE(token.chosen.logprob, token.top[0].logprob);
    double sum = 0;
    for (const Alternative& one : token.top) sum += std::exp(one.logprob);
    EXPECT_LE(sum, 1.0001);
    joined += token.chosen.bytes;
  }
  EXPECT_NE(joined.find(outcome.answers[0].text), std::string::npos);
  question.top_logprobs.reset();
  EXPECT_TRUE(ask(shared(), question).answers[0].tokens.empty());
}

TEST(Scheduler, WhatWasReadBeforeIsNotReadAgain) {
  const auto service = service_of(kModel);
  Request request = request_of("How many objects are there?", {"table05.jpg"});
  request.generate.max_new_tokens = 48;
  const Outcome first = ask(*service, question_of(request));
  EXPECT_EQ(first.admitted.reused_tokens, 0);
  const Outcome again = ask(*service, question_of(request));
  constexpr int64_t kPage = nn::PagePool::kPositions;
  EXPECT_EQ(again.admitted.reused_tokens, (again.admitted.prompt_tokens - 1) / kPage * kPage);
  EXPECT_EQ(again.answers[0].text, first.answers[0].text);
  EXPECT_EQ(again.answers[0].timings.reused_tokens, again.admitted.reused_tokens);
  // Another picture makes another beginning.
  request.messages[0].content[0] = Part::of_image(picture("table01.png"));
  const Outcome other = ask(*service, question_of(request));
  EXPECT_LT(other.admitted.reused_tokens, again.admitted.reused_tokens);
  service->drain(Clock::now() + 30s);  // what the load says is one pass behind
  const Load load = service->load();
  EXPECT_EQ(load.media_queries, 3);
  EXPECT_EQ(load.media_hits, 1);
  EXPECT_EQ(load.prefix_hits, again.admitted.reused_tokens + other.admitted.reused_tokens);
  EXPECT_EQ(load.prompt_tokens, first.admitted.prompt_tokens * 2 + other.admitted.prompt_tokens);
  EXPECT_EQ(load.running + load.waiting, 0);
  EXPECT_EQ(load.kv_cache_usage, 0);
}

TEST(Scheduler, CancellingEndsAnAnswerAndGivesItsPagesBack) {
  const auto service = service_of(kModel);
  const auto ticket = service->ask(endless_question());
  // What the load says is one pass behind.
  for (int pieces = 0; pieces < 2;) pieces += std::holds_alternative<Piece>(*ticket->next(30s));
  EXPECT_EQ(service->load().running, 1);
  EXPECT_GT(service->load().kv_cache_usage, 0);
  ticket->cancel();
  EXPECT_EQ(outcome_of(*ticket).answers[0].reason, "cancelled");
  service->drain(Clock::now() + 30s);
  EXPECT_EQ(service->load().running, 0);
}

TEST(Scheduler, ATicketThatIsThrownAwayCancels) {
  const auto service = service_of(kModel);
  { const auto ticket = service->ask(endless_question()); }
  const auto begin = Clock::now();
  service->drain(begin + 60s);
  EXPECT_LT(Clock::now() - begin, 30s);
  EXPECT_EQ(service->load().running + service->load().waiting, 0);
}

TEST(Scheduler, ADeadlineEndsWhatIsRunningAndWhatWaits) {
  const auto service = service_of(kModel, {.max_running = 2});
  Question question = endless_question();
  question.deadline = Clock::now() + 300ms;
  const auto running = service->ask(question);
  question.answers = 2;
  const auto waits = service->ask(question);
  EXPECT_EQ(outcome_of(*running).answers[0].reason, "deadline");
  const Outcome never = outcome_of(*waits, 2);
  EXPECT_EQ(never.answers[0].reason, "deadline");
  EXPECT_EQ(never.answers[1].reason, "deadline");
  EXPECT_EQ(never.admissions, 0);
}

TEST(Scheduler, AFullQueueSaysWhenToComeBack) {
  const auto service = service_of(kModel, {.max_running = 1, .max_waiting = 2});
  std::vector<std::unique_ptr<Ticket>> tickets;
  std::optional<Busy> busy;
  for (int i = 0; i < 10 && !busy; ++i) {
    try {
      tickets.push_back(service->ask(endless_question()));
    } catch (const Busy& said) {
      busy = said;
    }
  }
  ASSERT_TRUE(busy);
  EXPECT_GE(busy->retry_after, 1s);
  EXPECT_LE(busy->retry_after, 60s);
  EXPECT_GE(tickets.size(), 2u);
}

TEST(Scheduler, ClientsTakeTurns) {
  const auto service = service_of(kModel, {.max_running = 1});
  const auto from = [](const char* client) {
    Question question = question_of(request_of("Hello"));
    question.request.generate.max_new_tokens = question.request.generate.min_new_tokens = 30;
    question.client = client;
    return question;
  };
  std::vector<std::unique_ptr<Ticket>> many;
  for (int i = 0; i < 8; ++i) many.push_back(service->ask(from("many")));
  const auto once = service->ask(from("once"));
  EXPECT_EQ(outcome_of(*once).answers[0].reason, "length");
  // The first was running, the second may have been on its way.
  EXPECT_GE(service->load().waiting, 4);
  for (const auto& ticket : many) EXPECT_EQ(outcome_of(*ticket).answers[0].reason, "length");
}

TEST(Scheduler, OneClientLeavesRoomInTheQueueForAnother) {
  const auto service = service_of(kModel, {.max_running = 1, .max_waiting = 8});
  const auto from = [](const char* client) {
    Question question = endless_question();
    question.client = client;
    return question;
  };
  std::vector<std::unique_ptr<Ticket>> tickets;
  tickets.push_back(service->ask(from("first")));
  while (service->load().running == 0) std::this_thread::sleep_for(1ms);
  const auto fill = [&](const char* client) {
    for (int i = 0; i < 20; ++i) {
      try {
        tickets.push_back(service->ask(from(client)));
      } catch (const Busy&) {
        return;
      }
    }
  };
  fill("first");
  EXPECT_EQ(tickets.size(), 6u);  // one of them runs
  fill("second");
  EXPECT_EQ(service->load().waiting, 7);
  fill("");
  EXPECT_EQ(service->load().waiting, 8);
  tickets.clear();
  service->drain(Clock::now() + 60s);
  EXPECT_EQ(service->load().waiting, 0);
}

TEST(Scheduler, DrainingWaitsForWhatWasAskedAndTakesNothingIn) {
  const auto service = service_of(kModel);
  const auto ticket = service->ask(question_of(request_of("Count the objects.", {"table01.png"})));
  service->drain(Clock::now() + 60s);
  EXPECT_EQ(service->load().running + service->load().waiting, 0);
  EXPECT_EQ(outcome_of(*ticket).answers[0].reason, "eos");
  EXPECT_THROW(service->ask(endless_question()), Busy);
  EXPECT_THROW(service->embed({Part::of_text("a cube")}), Busy);
}

TEST(Scheduler, DrainingCancelsWhatIsLeftAtItsEnd) {
  const auto service = service_of(kModel);
  const auto ticket = service->ask(endless_question());
  service->drain(Clock::now());
  EXPECT_EQ(outcome_of(*ticket).answers[0].reason, "cancelled");
}

TEST(Scheduler, BadMediaFailTheirOwnQuestionAlone) {
  Request missing = request_of("What is this?");
  missing.messages[0].content.push_back(Part::of_image("/no/such/picture.png"));
  Request broken = request_of("What is this?");
  broken.messages[0].content.push_back(Part::of_image_data({std::byte{1}, std::byte{2}}));
  Request unknown = request_of("What is this?");
  unknown.conversation_template = "no such template";
  const auto outcomes =
      outcomes_of(shared(), {question_of(missing),
                             question_of(request_of("What is in this picture?", {"table02.png"})),
                             question_of(broken), question_of(unknown)});
  EXPECT_EQ(outcomes[0].code, 3);
  EXPECT_NE(outcomes[0].failure.find("/no/such/picture.png"), std::string::npos);
  EXPECT_EQ(outcomes[1].answers[0].reason, "eos");
  EXPECT_EQ(outcomes[2].code, 3);
  EXPECT_EQ(outcomes[3].code, 2);
}

TEST(Scheduler, WhatCouldNeverBeAnsweredIsRefusedAtOnce) {
  const auto refused = [&](const std::function<void(Question&)>& change) {
    Question question = question_of(request_of("Hello"));
    change(question);
    return message_of<UsageError>([&] { shared().ask(question); });
  };
  EXPECT_NE(refused([](Question& q) { q.request.generate.num_beams = 2; }).find("num_beams"),
            std::string::npos);
  EXPECT_NE(refused([](Question& q) { q.answers = 0; }).find("found 0"), std::string::npos);
  EXPECT_NE(refused([](Question& q) { q.answers = 1000; }).find("1000"), std::string::npos);
  EXPECT_NE(refused([](Question& q) { q.top_logprobs = 21; }).find("21"), std::string::npos);
  const auto of_form = [&](const char* grammar) {
    return refused([&](Question& q) { q.form = OutputForm{OutputForm::Kind::kGrammar, grammar}; });
  };
  EXPECT_NE(of_form("").find("empty"), std::string::npos);
  EXPECT_NE(of_form("root ::= other").find("other"), std::string::npos);
  EXPECT_NE(refused([](Question& q) { q.request.generate.temperature = -1; }), "no error");
}

TEST(Scheduler, AnswersHaveTheFormThatIsAskedFor) {
  Question question = question_of(request_of("What is in this picture?", {"table02.png"}));
  question.form = OutputForm{OutputForm::Kind::kGrammar, R"(root ::= "yes" | "no")"};
  question.answers = 2;
  Question schema = question;
  schema.form = OutputForm{OutputForm::Kind::kJsonSchema, R"({"enum": ["cube", "cone"]})"};
  const auto outcomes = outcomes_of(shared(), {question, schema});
  for (const auto& answer : outcomes[0].answers)
    EXPECT_TRUE(answer.text == "yes" || answer.text == "no") << answer.text;
  for (const auto& answer : outcomes[1].answers)
    EXPECT_TRUE(answer.text == "\"cube\"" || answer.text == "\"cone\"") << answer.text;
}

TEST(Scheduler, PromptsWithoutRoomFail) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "cube ";
  const Outcome longer = ask(shared(), question_of(request_of(text)));
  EXPECT_EQ(longer.code, 6);
  EXPECT_NE(longer.failure.find("context"), std::string::npos);
  const auto small = service_of(kModel, {.cache_bytes = 1});
  const Outcome outcome =
      ask(*small, question_of(request_of("What is in this picture?", {"table02.png"})));
  EXPECT_EQ(outcome.code, 6);
  EXPECT_NE(outcome.failure.find("memory"), std::string::npos);
}

TEST(Scheduler, PreemptedAnswersAreFinished) {
  const auto engine = engine_of(kModel);
  const int64_t page = nn::PagePool::page_bytes(engine->family().language_model().cache_geometry(),
                                                nn::KvStorage::kF32);
  // One answer needs eight pages at its end, its prompt half of them.
  const auto service = service_of(kModel, {.cache_bytes = 11 * page});
  std::vector<Question> questions;
  for (const char* name : {"table01.png", "table02.png", "table03.png"}) {
    questions.push_back(endless_question());
    questions.back().request.messages[0].content[0] = Part::of_image(picture(name));
    questions.back().request.generate.max_new_tokens = 120;
    questions.back().request.generate.min_new_tokens = 120;
  }
  const auto outcomes = outcomes_of(*service, questions);
  for (size_t i = 0; i < questions.size(); ++i) {
    const isthmus::Answer expected = engine->generate(questions[i].request, {});
    EXPECT_EQ(outcomes[i].answers[0].text, expected.text) << i;
    EXPECT_EQ(outcomes[i].answers[0].reason, "length");
  }
  EXPECT_GT(service->load().preemptions, 0);
}

TEST(Scheduler, TokensAreCountedAsTheyAreRead) {
  for (const char* model : {"models/llava-v1.5", "models/onellm", "models/flamingo"}) {
    const auto service = service_of(kDemo / model);
    for (const auto& pictures : std::vector<std::vector<std::string>>{{}, {"table01.png"}}) {
      const Request request = request_of("what is in this picture ?", pictures);
      const Outcome outcome = ask(*service, question_of(request));
      ASSERT_EQ(outcome.failure, "") << model;
      EXPECT_EQ(service->count_tokens(request), outcome.admitted.prompt_tokens) << model;
    }
  }
}

TEST(Scheduler, EmbeddingsAreOfLengthOneAndTellThingsApart) {
  for (const char* model : {"models/llava-v1.5", "models/onellm", "models/flamingo"}) {
    const auto service = service_of(kDemo / model);
    const auto points =
        service->embed({Part::of_text("a red cube"), Part::of_text("a red cube"),
                        Part::of_text("two small spheres"), Part::of_image(picture("table01.png")),
                        Part::of_image(picture("table05.jpg"))});
    ASSERT_EQ(points.size(), 5u);
    const auto product = [&](size_t a, size_t b) {
      double sum = 0;
      for (size_t i = 0; i < points[a].size(); ++i) sum += points[a][i] * points[b][i];
      return sum;
    };
    for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(product(i, i), 1, 1e-5) << model;
    EXPECT_NEAR(product(0, 1), 1, 1e-5);
    EXPECT_LT(product(0, 2), 0.9999) << model;
    EXPECT_LT(product(3, 4), 0.99999) << model;
    EXPECT_THROW(service->embed({Part::of_image("/no/such/picture.png")}), InputError);
  }
}

TEST(Scheduler, ACardSaysWhatTheModelIs) {
  const Card card = shared().card();
  EXPECT_EQ(card.name, "llava-v1.5-tabletop");
  EXPECT_EQ(card.family, "llava");
  EXPECT_EQ(card.modalities, std::vector<std::string>{"image"});
  EXPECT_EQ(card.context_length, 2048);
  EXPECT_GT(card.parameters, 100000);
  EXPECT_FALSE(card.conversation_template.empty());
}

TEST(Scheduler, OptionsWithoutMeaningAreRefused) {
  LoadOptions options;
  options.draft = "somewhere";
  EXPECT_THROW(load_service(kModel.string(), "", "", options, {}), UsageError);
  options = {};
  options.composed = true;
  EXPECT_THROW(load_service(kModel.string(), "", "", options, {}), UsageError);
  EXPECT_THROW(service_of(kModel, {.cache_bytes = int64_t{1} << 55}), ResourceError);
  EXPECT_THROW(service_of(kModel, {.rows_per_pass = 0}), UsageError);
  EXPECT_THROW(service_of(kModel, {.max_running = 0}), UsageError);
}

}  // namespace
}  // namespace isthmus
