#include "serving/answer.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "engine/answering.h"
#include "isthmus/error.h"
#include "serving/probabilities.h"

namespace isthmus::serving {

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
namespace {

// Answers of one question differ by their seeds.
GenerationConfig config_of(const Asked& asked, int64_t index) {
  GenerationConfig config = asked.config;
  config.seed += static_cast<uint64_t>(index);
  return config;
}

Timings timings_of(const Asked& asked, int64_t generated) {
  const auto now = Clock::now();
  Timings timings;
  timings.encode = asked.encode_seconds;
  if (asked.begun) timings.prefill = seconds(*asked.begun, asked.read.value_or(now));
  if (asked.read) timings.decode = seconds(*asked.read, now);
  timings.prompt_tokens = asked.prompt ? asked.prompt->sequence.length() : 0;
  timings.reused_tokens = asked.reused_tokens;
  timings.generated_tokens = generated;
  return timings;
}

}  // namespace

Answer::Answer(std::shared_ptr<Asked> asked, const families::Family& family, int64_t index,
               Reading its_reading)
    : reading(std::move(its_reading)),
      asked_(std::move(asked)),
      tokenizer_(family.tokenizer()),
      index_(index),
      text_(tokenizer_, engine::stop_strings(asked_->question.request, asked_->rules)),
      continuation_(
          config_of(*asked_, index), asked_->rules.ids,
          family.seen_before(asked_->prompt->segments),
          [this](int64_t token) { return stopped_ = text_.push(token); },
          asked_->constraints->for_answer(asked_->config, asked_->rules.ids)) {
  if (!asked_->question.continues_text || asked_->prompt->segments.empty()) return;
  const auto* last = std::get_if<families::TextSegment>(&asked_->prompt->segments.back());
  if (last != nullptr) text_.continue_after(last->ids);
}

void Answer::extend(std::span<const float> logits) {
  const int64_t token = continuation_.extend(logits);
  reading.append(token);
  const auto ended = continuation_.finished();
  const bool shown = !ended || stopped_ || *ended == generation::FinishReason::kLength;
  if (shown && asked_->question.top_logprobs)
    held_.push_back(judge(*tokenizer_, logits, token, *asked_->question.top_logprobs));
  if (ended) {
    end(std::string(generation::name_of(*ended)));
  } else {
    post_text();
  }
}

void Answer::post_text() {
  std::string piece = text_.take();
  if (piece.empty()) return;
  asked_->mailbox->post(Piece{index_, std::move(piece), std::exchange(held_, {})});
}

void Answer::end(const std::string& reason) {
  if (finished_) return;
  finished_ = true;
  text_.finish();
  post_text();
  // Tokens that show nothing by themselves, such as the beginning of a character that never came.
  if (!held_.empty() && !stopped_) asked_->mailbox->post(Piece{index_, "", std::move(held_)});
  const auto& stops = asked_->question.request.generate.stop;
  const auto by = text_.stopped_by();
  const bool of_request = by && std::ranges::find(stops, *by) != stops.end();
  asked_->mailbox->post(
      Finished{index_, reason, of_request ? *by : std::string(),
               timings_of(*asked_, static_cast<int64_t>(continuation_.tokens().size()))});
  if (--asked_->unfinished == 0) asked_->mailbox->close();
}

void end_unbegun(Asked& asked, int64_t index, const std::string& reason) {
  asked.mailbox->post(Finished{index, reason, "", timings_of(asked, 0)});
  if (--asked.unfinished == 0) asked.mailbox->close();
}

void fail(Asked& asked, const std::exception& error) {
  constexpr int kInternalError = 70;
  const auto* known = dynamic_cast<const Error*>(&error);
  asked.mailbox->post(Failed{error.what(), known != nullptr ? known->exit_code() : kInternalError});
  asked.mailbox->close();
  asked.unfinished = 0;
}

}  // namespace isthmus::serving
