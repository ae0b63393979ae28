#include "protocol/exchange.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/check.h"

namespace isthmus::protocol {

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool was_cut(const serving::Finished& end) { return end.reason != "eos" && end.reason != "stop"; }

void Exchange::expect_answers() {
  size_t count = 0;
  for (const serving::Question& question : questions)
    count += static_cast<size_t>(question.answers);
  answers_.resize(count);
}

size_t Exchange::number_of(size_t question, int64_t answer) const {
  size_t number = static_cast<size_t>(answer);
  for (size_t i = 0; i < question; ++i) number += static_cast<size_t>(questions[i].answers);
  ISTHMUS_CHECK(number < answers_.size(), "an answer that nobody asked for");
  return number;
}

std::string Exchange::take(size_t question, const serving::Event& event) {
  std::string out;
  const auto begin = [&] {
    if (streams && !std::exchange(begun_, true)) out += begun();
  };
  if (const auto* admitted = std::get_if<serving::Admitted>(&event)) {
    prompt_tokens_ += admitted->prompt_tokens;
    reused_tokens_ += admitted->reused_tokens;
    begin();
  } else if (const auto* piece = std::get_if<serving::Piece>(&event)) {
    begin();
    const size_t number = number_of(question, piece->answer);
    if (streams) out += continued(number, *piece);
    AnswerSoFar& answer = answers_[number];
    answer.text += piece->text;
    answer.tokens.insert(answer.tokens.end(), piece->tokens.begin(), piece->tokens.end());
  } else if (const auto* end = std::get_if<serving::Finished>(&event)) {
    begin();
    const size_t number = number_of(question, end->answer);
    answers_[number].end = *end;
    if (streams) out += ended(number, *end);
  }
  return out;
}

int64_t Exchange::generated_tokens() const {
  int64_t tokens = 0;
  for (const AnswerSoFar& answer : answers_)
    if (answer.end) tokens += answer.end->timings.generated_tokens;
  return tokens;
}

bool Exchange::complete() const {
  return std::ranges::all_of(answers_,
                             [](const AnswerSoFar& answer) { return answer.end.has_value(); });
}

std::optional<std::string> Exchange::came_to_nothing() const {
  for (const AnswerSoFar& answer : answers_)
    if (!answer.end || !answer.text.empty() ||
        (answer.end->reason != "cancelled" && answer.end->reason != "deadline"))
      return std::nullopt;
  return answers_.empty() ? std::nullopt : std::optional(answers_.front().end->reason);
}

}  // namespace isthmus::protocol
