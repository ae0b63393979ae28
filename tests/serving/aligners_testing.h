// Answers of several aligners on one model, against those of engines that loaded each alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "serving_testing.h"

namespace isthmus::serving_testing {

// All questions through all aligners, at once; how many of the texts differ from one aligner to
// the next.
inline int expect_as_alone(Service& service, const std::map<std::string, engine::Engine*>& alone,
                           const std::vector<Request>& requests) {
  std::vector<Question> questions;
  for (const Request& request : requests)
    for (const auto& [name, engine] : alone) {
      questions.push_back(question_of(request));
      questions.back().aligner = name;
    }
  const auto outcomes = outcomes_of(service, questions);
  int different = 0;
  for (size_t i = 0; i < questions.size(); ++i) {
    const std::string& name = questions[i].aligner;
    const auto expected = alone.at(name)->generate(questions[i].request, {});
    EXPECT_EQ(outcomes[i].failure, "") << i;
    EXPECT_EQ(outcomes[i].answers[0].text, expected.text) << name << " " << i;
    EXPECT_EQ(outcomes[i].answers[0].reason, expected.finish_reason) << name << " " << i;
    if (i > 0 && outcomes[i].answers[0].text != outcomes[i - 1].answers[0].text) ++different;
  }
  return different;
}

}  // namespace isthmus::serving_testing
