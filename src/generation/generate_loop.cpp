#include "generation/generate_loop.h"

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
                           std::span<const int64_t> seen, StopStringMatcher matches_stop_string)
    : processors_(config, end_ids(config, eos_ids)),
      sampler_(config),
      stop_(config, eos_ids, std::move(matches_stop_string)),
      seen_(seen.begin(), seen.end()) {}

int64_t Continuation::extend(std::span<const float> logits) {
  ISTHMUS_CHECK(!finished_, "the sequence has ended");
  logits_.assign(logits.begin(), logits.end());
  processors_.apply(logits_, seen_, static_cast<int64_t>(tokens_.size()));
  const int64_t token = sampler_.choose(logits_);
  tokens_.push_back(token);
  seen_.push_back(token);
  finished_ = stop_.after(token, static_cast<int64_t>(tokens_.size()));
  return token;
}

Generated generate(Decoder& decoder, Continuation& continuation, const TokenCallback& on_token) {
  std::span<const float> logits = decoder.step({});
  while (true) {
    const int64_t token = continuation.extend(logits);
    if (on_token && !on_token(token) && !continuation.finished()) continuation.cancel();
    if (continuation.finished()) return {continuation.tokens(), *continuation.finished()};
    logits = decoder.step({&token, 1});
  }
}

Generated generate_with_beams(BeamDecoder& decoder, const GenerationConfig& config,
                              std::span<const int64_t> eos_ids, std::span<const int64_t> seen,
                              BeamLength length, const std::function<bool()>& keep_going) {
  const std::vector<int64_t> ends = end_ids(config, eos_ids);
  const LogitsProcessors processors(config, ends);
  BeamSearch search({.num_beams = config.num_beams,
                     .length_penalty = config.length_penalty,
                     .early_stopping = config.early_stopping,
                     .end_ids = ends,
                     .max_new_tokens = config.max_new_tokens,
                     .length = length,
                     .prompt_length = static_cast<int64_t>(seen.size())});
  const auto vocab_size = static_cast<size_t>(decoder.vocab_size());
  std::span<const float> logits = decoder.step({});
  std::vector<float> log_probs;
  for (int64_t num_new_tokens = 0;; ++num_new_tokens) {
    log_probs.assign(logits.begin(), logits.end());
    for (size_t beam = 0; beam * vocab_size < log_probs.size(); ++beam) {
      const auto row = std::span(log_probs).subspan(beam * vocab_size, vocab_size);
      check_logits(row);
      // The reference penalises log-probabilities, not logits, when it searches with beams.
      log_softmax(row);
      std::vector<int64_t> seen_by_beam(seen.begin(), seen.end());
      const auto& grown = search.tokens(static_cast<int64_t>(beam));
      seen_by_beam.insert(seen_by_beam.end(), grown.begin(), grown.end());
      processors.apply(row, seen_by_beam, num_new_tokens);
    }
    const auto& choices = search.step(log_probs, decoder.vocab_size());
    const bool cancelled = !search.done() && keep_going && !keep_going();
    if (search.done() || cancelled) {
      BeamResult best = search.best();
      const bool by_model =
          best.ended && std::ranges::find(eos_ids, best.tokens.back()) != eos_ids.end();
      const FinishReason reason = cancelled    ? FinishReason::kCancelled
                                  : by_model   ? FinishReason::kEos
                                  : best.ended ? FinishReason::kStop
                                               : FinishReason::kLength;
      return {std::move(best.tokens), reason};
    }
    logits = decoder.step(choices);
  }
}

}  // namespace isthmus::generation
