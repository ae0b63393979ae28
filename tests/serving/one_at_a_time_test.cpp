// The simplest service says what the engine alone says.
#include "serving/one_at_a_time.h"

#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "engine/load.h"
#include "isthmus/error.h"
#include "serving/card.h"

namespace isthmus::serving {
namespace {

using namespace std::chrono_literals;

std::filesystem::path demo(const std::string& file) {
  return std::filesystem::path(ISTHMUS_SOURCE_DIR) / "demo" / file;
}

std::unique_ptr<OneAtATime> service(const std::string& model, size_t queue = 8) {
  auto engine = engine::load_engine(demo(model).string(), "", "", {});
  Card card = card_of(engine->family(), "m", {});
  return std::make_unique<OneAtATime>(std::move(engine), std::move(card), queue);
}

Question question(int64_t tokens = 12) {
  Question question;
  question.request.messages = {
      {"user", {Part::of_image(demo("pictures/table02.png")), Part::of_text("What is this?")}}};
  question.request.generate.max_new_tokens = tokens;
  return question;
}

struct Heard {
  std::vector<Event> events;
  std::string text;
  std::optional<Finished> end;
  std::optional<Failed> failed;
};

Heard hear(Ticket& ticket) {
  Heard heard;
  while (!ticket.done()) {
    auto event = ticket.next(60s);
    if (!event) continue;
    if (const auto* piece = std::get_if<Piece>(&*event)) heard.text += piece->text;
    if (const auto* end = std::get_if<Finished>(&*event)) heard.end = *end;
    if (const auto* failed = std::get_if<Failed>(&*event)) heard.failed = *failed;
    heard.events.push_back(std::move(*event));
  }
  return heard;
}

TEST(OneAtATime, SaysWhatTheEngineSays) {
  auto engine = engine::load_engine(demo("llava/llava-v1.5-tabletop").string(), "", "", {});
  const Answer alone = engine->generate(question().request, {});
  const auto served = service("llava/llava-v1.5-tabletop");
  const Heard heard = hear(*served->ask(question()));
  EXPECT_EQ(heard.text, alone.text);
  EXPECT_TRUE(std::holds_alternative<Admitted>(heard.events.front()));
  EXPECT_EQ(std::get<Admitted>(heard.events.front()).prompt_tokens, alone.timings.prompt_tokens);
  ASSERT_TRUE(heard.end.has_value());
  EXPECT_EQ(heard.end->reason, alone.finish_reason);
  EXPECT_EQ(heard.end->timings.generated_tokens, alone.timings.generated_tokens);
  EXPECT_EQ(served->count_tokens(question().request), alone.timings.prompt_tokens);
  EXPECT_GE(served->load().generation_tokens, alone.timings.generated_tokens);
}

TEST(OneAtATime, SeveralAnswersHaveSeedsOfTheirOwn) {
  const auto served = service("llava/llava-v1.5-tabletop");
  Question asked = question();
  asked.answers = 2;
  asked.request.generate.temperature = 1;
  asked.request.generate.seed = 5;
  const auto ticket = served->ask(asked);
  std::vector<std::string> texts(2);
  int ends = 0;
  while (!ticket->done()) {
    const auto event = ticket->next(60s);
    if (!event) continue;
    if (const auto* piece = std::get_if<Piece>(&*event))
      texts[static_cast<size_t>(piece->answer)] += piece->text;
    ends += std::holds_alternative<Finished>(*event) ? 1 : 0;
  }
  EXPECT_EQ(ends, 2);
  Question second = asked;
  second.answers = 1;
  second.request.generate.seed = 6;
  EXPECT_EQ(hear(*served->ask(second)).text, texts[1]);
}

TEST(OneAtATime, WhatIsWrongWithARequestFailsItAlone) {
  const auto served = service("llava/llava-v1.5-tabletop");
  Question broken = question();
  broken.request.messages[0].content[0] = Part::of_image_data({std::byte{1}});
  const Heard heard = hear(*served->ask(broken));
  ASSERT_TRUE(heard.failed.has_value());
  EXPECT_EQ(heard.failed->code, InputError("").exit_code());
  EXPECT_TRUE(hear(*served->ask(question())).end.has_value());
}

TEST(OneAtATime, AFullQueueIsBusyAndACancelledPlaceIsFree) {
  const auto served = service("llava/llava-v1.5-tabletop", 1);
  auto first = served->ask(question(64));
  while (served->load().running == 0) std::this_thread::sleep_for(1ms);
  auto second = served->ask(question());
  EXPECT_THROW(served->ask(question()), Busy);
  second->cancel();
  auto third = served->ask(question());
  EXPECT_EQ(hear(*second).end->reason, "cancelled");
  EXPECT_TRUE(hear(*third).end.has_value());
}

TEST(OneAtATime, NobodyWaitsBeyondADeadlineOrACancellation) {
  const auto served = service("llava/llava-v1.5-tabletop");
  Question late = question();
  late.deadline = Clock::now() - 1s;
  EXPECT_EQ(hear(*served->ask(late)).end->reason, "deadline");
  auto running = served->ask(question(64));
  auto cancelled = served->ask(question());
  cancelled->cancel();
  EXPECT_EQ(hear(*cancelled).end->reason, "cancelled");
}

TEST(OneAtATime, DrainingEndsWhatIsUnderWayAndTakesNothingMore) {
  const auto served = service("llava/llava-v1.5-tabletop");
  auto ticket = served->ask(question());
  served->drain(Clock::now() + 60s);
  EXPECT_TRUE(hear(*ticket).end.has_value());
  EXPECT_THROW(served->ask(question()), Busy);
}

TEST(OneAtATime, PointsHaveLengthOneAndMediaTheirOwn) {
  for (const char* model : {"llava/llava-v1.5-tabletop", "models/flamingo"}) {
    const auto served = service(model);
    const auto points = served->embed({Part::of_text("a red cube"), Part::of_text("a red cube"),
                                       Part::of_image(demo("pictures/table02.png"))});
    ASSERT_EQ(points.size(), 3u);
    for (const auto& point : points) {
      double square = 0;
      for (const float x : point) square += double{x} * x;
      EXPECT_NEAR(square, 1, 1e-5) << model;
    }
    EXPECT_EQ(points[0], points[1]);
    EXPECT_NE(points[0], points[2]);
  }
}

TEST(OneAtATime, WhatItDoesNotDoIsRefused) {
  const auto served = service("models/onellm");
  Question asked = question();
  asked.top_logprobs = 1;
  EXPECT_THROW(served->ask(asked), UnsupportedError);
  asked = question();
  asked.form = OutputForm{OutputForm::Kind::kJsonSchema, "{}"};
  EXPECT_THROW(served->ask(asked), UnsupportedError);
  asked = question();
  asked.aligner = "other";
  EXPECT_THROW(served->ask(asked), UsageError);
}

TEST(Card, TellsWhatAModelTakes) {
  const Card llava = service("llava/llava-v1.5-tabletop")->card();
  EXPECT_EQ(llava.family, "llava");
  EXPECT_EQ(llava.modalities, std::vector<std::string>{"image"});
  EXPECT_FALSE(llava.conversation_template.empty());
  EXPECT_GT(llava.parameters, 100'000);
  const Card flamingo = service("models/flamingo")->card();
  EXPECT_EQ(flamingo.family, "flamingo");
  EXPECT_TRUE(flamingo.conversation_template.empty());
  const Card onellm = service("models/onellm")->card();
  EXPECT_EQ(onellm.family, "onellm");
  EXPECT_GT(onellm.modalities.size(), 1u);
}

}  // namespace
}  // namespace isthmus::serving
