// One answer while it grows: a sequence, or the beams of one prompt.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "generation/beam_search.h"
#include "generation/logits_processor.h"
#include "generation/sampler.h"
#include "generation/stop_condition.h"
#include "grammar/token_constraint.h"
#include "isthmus/generation.h"

namespace isthmus::generation {

// A sequence while it grows: its random numbers, its tokens, its end. A batch holds one per row.
class Continuation {
 public:
  // `eos_ids`: the model's end tokens. `seen`: ids before the first new one for the repetition
  // penalty; the reference sees a lone BOS there when it generates from embeddings, as LLaVA does.
  // `constraint`: what the answer may say; null: anything.
  Continuation(const GenerationConfig& config, std::span<const int64_t> eos_ids,
               std::span<const int64_t> seen, StopStringMatcher matches_stop_string = {},
               std::unique_ptr<grammar::TokenConstraint> constraint = nullptr);

  // Chooses the token after `logits` [vocab_size] and appends it. Throws ModelError on NaN, and
  // UsageError where the constraint cannot be followed.
  int64_t extend(std::span<const float> logits);
  // Ends the answer from outside.
  void cancel() { finished_ = FinishReason::kCancelled; }

  const std::vector<int64_t>& tokens() const {
    return tokens_;
  }  // new ones, the end token included
  std::optional<FinishReason> finished() const { return finished_; }

 private:
  LogitsProcessors processors_;
  Sampler sampler_;
  StopCondition stop_;
  std::unique_ptr<grammar::TokenConstraint> constraint_;
  std::vector<int64_t> seen_, tokens_;
  std::vector<float> logits_;
  std::optional<FinishReason> finished_;
};

struct Generated {
  std::vector<int64_t> tokens;  // the end token included
  FinishReason finish_reason;
};

// The beams of one prompt while they grow. A batch holds one per prompt. The stop ids of the
// request count as end tokens, its stop strings are not looked for.
class BeamContinuation {
 public:
  // `seen` as in Continuation. `prompt_length`: what BeamLength::kWholeSequence counts before the
  // first new token.
  BeamContinuation(const GenerationConfig& config, std::span<const int64_t> eos_ids,
                   std::span<const int64_t> seen, BeamLength length, int64_t prompt_length);

  // `logits` [num_beams or, the first time, 1, vocab_size]. Returns what each beam continues with.
  // Throws ModelError on NaN.
  const std::vector<BeamChoice>& extend(std::span<const float> logits, int64_t vocab_size);
  // Ends the search from outside: the best hypothesis so far is the answer.
  void cancel() { cancelled_ = true; }
  bool finished() const { return cancelled_ || search_.done(); }
  Generated result() const;

 private:
  std::vector<int64_t> eos_ids_, seen_;
  LogitsProcessors processors_;
  BeamSearch search_;
  std::vector<float> log_probs_;
  int64_t num_new_tokens_ = 0;
  bool cancelled_ = false;
};

}  // namespace isthmus::generation
