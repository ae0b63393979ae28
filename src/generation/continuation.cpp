#include "generation/continuation.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace isthmus::generation {

namespace {

// What the minimum length forbids: everything that would end the answer by its id.
std::vector<int64_t> end_ids(const GenerationConfig& config, std::span<const int64_t> eos_ids) {
  std::vector<int64_t> ids(eos_ids.begin(), eos_ids.end());
  ids.insert(ids.end(), config.stop_ids.begin(), config.stop_ids.end());
  return ids;
}

}  // namespace

Continuation::Continuation(const GenerationConfig& config, std::span<const int64_t> eos_ids,
                           std::span<const int64_t> seen, StopStringMatcher matches_stop_string,
                           std::unique_ptr<grammar::TokenConstraint> constraint)
    : processors_(config, end_ids(config, eos_ids)),
      sampler_(config),
      stop_(config, eos_ids, std::move(matches_stop_string)),
      constraint_(std::move(constraint)),
      seen_(seen.begin(), seen.end()) {}

int64_t Continuation::extend(std::span<const float> logits) {
  ISTHMUS_CHECK(!finished_, "the sequence has ended");
  logits_.assign(logits.begin(), logits.end());
  if (constraint_) {
    check_logits(logits_);  // before it is forbidden, a broken logit is to be seen
    constraint_->mask(logits_);
  }
  processors_.apply(logits_, seen_, static_cast<int64_t>(tokens_.size()));
  const int64_t token = sampler_.choose(logits_);
  tokens_.push_back(token);
  seen_.push_back(token);
  finished_ = stop_.after(token, static_cast<int64_t>(tokens_.size()));
  if (constraint_) {
    constraint_->accept(token);
    if (!finished_ && constraint_->done()) finished_ = FinishReason::kStop;
  }
  return token;
}

BeamContinuation::BeamContinuation(const GenerationConfig& config, std::span<const int64_t> eos_ids,
                                   std::span<const int64_t> seen, BeamLength length,
                                   int64_t prompt_length)
    : eos_ids_(eos_ids.begin(), eos_ids.end()),
      seen_(seen.begin(), seen.end()),
      processors_(config, end_ids(config, eos_ids)),
      search_({.num_beams = config.num_beams,
               .length_penalty = config.length_penalty,
               .early_stopping = config.early_stopping,
               .end_ids = end_ids(config, eos_ids),
               .max_new_tokens = config.max_new_tokens,
               .length = length,
               .prompt_length = prompt_length}) {}

const std::vector<BeamChoice>& BeamContinuation::extend(std::span<const float> logits,
                                                        int64_t vocab_size) {
  const auto vocab = static_cast<size_t>(vocab_size);
  log_probs_.assign(logits.begin(), logits.end());
  for (size_t beam = 0; beam * vocab < log_probs_.size(); ++beam) {
    const auto row = std::span(log_probs_).subspan(beam * vocab, vocab);
    check_logits(row);
    // The reference penalises log-probabilities, not logits, when it searches with beams.
    log_softmax(row);
    std::vector<int64_t> seen_by_beam = seen_;
    const auto& grown = search_.tokens(static_cast<int64_t>(beam));
    seen_by_beam.insert(seen_by_beam.end(), grown.begin(), grown.end());
    processors_.apply(row, seen_by_beam, num_new_tokens_);
  }
  ++num_new_tokens_;
  return search_.step(log_probs_, vocab_size);
}

Generated BeamContinuation::result() const {
  BeamResult best = search_.best();
  const bool by_model =
      best.ended && std::ranges::find(eos_ids_, best.tokens.back()) != eos_ids_.end();
  const FinishReason reason = !search_.done() ? FinishReason::kCancelled
                              : by_model      ? FinishReason::kEos
                              : best.ended    ? FinishReason::kStop
                                              : FinishReason::kLength;
  return {std::move(best.tokens), reason};
}

}  // namespace isthmus::generation
