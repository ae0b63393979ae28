// What is wrong with one question fails it alone, even when it takes a whole pass with it.
#include <limits>

#include <gtest/gtest.h>

#include "strange_families.h"

namespace isthmus {
namespace {

using namespace serving_testing;

std::vector<Question> three_questions() {
  std::vector<Question> questions;
  for (const char* name : {"table01.png", "table02.png", "table03.png"})
    questions.push_back(question_of(request_of("What is in this picture?", {name})));
  // Longer than the others, which is how it is known in a pass.
  questions[1].request.messages[0].content.push_back(Part::of_text(" Say it in many words."));
  return questions;
}

void expect_others_answered(const std::vector<Question>& questions,
                            const std::vector<Outcome>& outcomes) {
  const auto alone = engine_of(kDemo / "llava/llava-v1.5-tabletop");
  for (const size_t i : {0, 2}) {
    EXPECT_EQ(outcomes[i].failure, "");
    EXPECT_EQ(outcomes[i].answers[0].text, alone->generate(questions[i].request, {}).text);
  }
}

int64_t length_of(Service& service, const Question& question) {
  return service.count_tokens(question.request);
}

TEST(Isolation, AQuestionThatBreaksAPassFailsAlone) {
  const auto strangeness = std::make_shared<Strangeness>();
  const auto service = strange_service(strangeness);
  const auto questions = three_questions();
  const int64_t bad = length_of(*service, questions[1]);
  for (const int64_t after : {0, 3}) {  // while it is read; while it writes
    strangeness->before_pass = [=](const nn::ForwardContext& context) {
      for (const nn::Lane& lane : context.lanes)
        if (lane.total_length == bad && lane.cache->length() >= (after > 0 ? bad + after : 0))
          throw std::runtime_error("a broken block");
    };
    const auto outcomes = outcomes_of(*service, questions);
    EXPECT_EQ(outcomes[1].failure, "a broken block");
    EXPECT_EQ(outcomes[1].code, 70);
    expect_others_answered(questions, outcomes);
  }
  EXPECT_EQ(service->load().kv_cache_usage, 0);
}

TEST(Isolation, APassThatFailsOnceIsDoneAgain) {
  const auto strangeness = std::make_shared<Strangeness>();
  const auto service = strange_service(strangeness);
  const auto questions = three_questions();
  strangeness->before_pass = [](const nn::ForwardContext& context) {
    if (context.lanes.size() > 1) throw std::bad_alloc();
  };
  const auto outcomes = outcomes_of(*service, questions);
  EXPECT_EQ(outcomes[1].failure, "");
  expect_others_answered(questions, outcomes);
}

TEST(Isolation, LogitsThatAreNoNumbersFailTheirOwnQuestion) {
  const auto strangeness = std::make_shared<Strangeness>();
  const auto service = strange_service(strangeness);
  const auto questions = three_questions();
  const int64_t bad = length_of(*service, questions[1]);
  strangeness->change = [=](const torch::Tensor& hidden, const nn::ForwardContext& context) {
    std::vector<torch::Tensor> rows;
    int64_t first = 0;
    for (const nn::Lane& lane : context.lanes) {
      const torch::Tensor own = hidden.narrow(1, first, lane.rows);
      constexpr auto kNan = std::numeric_limits<float>::quiet_NaN();
      rows.push_back(lane.total_length == bad ? torch::full_like(own, kNan) : own);
      first += lane.rows;
    }
    return torch::cat(rows, 1);
  };
  const auto outcomes = outcomes_of(*service, questions);
  EXPECT_EQ(outcomes[1].code, 4) << outcomes[1].failure;
  expect_others_answered(questions, outcomes);
}

}  // namespace
}  // namespace isthmus
