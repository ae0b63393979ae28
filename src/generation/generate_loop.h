// The loops that make an answer from a model: one sequence, or the beams of one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "generation/beam_search.h"
#include "generation/logits_processor.h"
#include "generation/sampler.h"
#include "generation/stop_condition.h"
#include "isthmus/generation.h"

namespace isthmus::generation {

// A sequence while it grows: its random numbers, its tokens, its end. A batch holds one per row.
class Continuation {
 public:
  // `eos_ids`: the model's end tokens. `seen`: ids before the first new one for the repetition
  // penalty; the reference sees a lone BOS there when it generates from embeddings, as LLaVA does.
  Continuation(const GenerationConfig& config, std::span<const int64_t> eos_ids,
               std::span<const int64_t> seen, StopStringMatcher matches_stop_string = {});

  // Chooses the token after `logits` [vocab_size] and appends it. Throws ModelError on NaN.
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

// What the engine supplies: the model with its cache, behind the prompt.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Appends `tokens` and returns the logits [vocab_size] of the last row, valid until the next
  // call. The first call passes no tokens and asks for the logits behind the prompt.
  virtual std::span<const float> step(std::span<const int64_t> tokens) = 0;
};

class BeamDecoder {
 public:
  virtual ~BeamDecoder() = default;
  // Makes row b a copy of row choices[b].parent, appends choices[b].token to it and returns the
  // logits [rows, vocab_size]. The first call passes nothing and may return a single row.
  virtual std::span<const float> step(std::span<const BeamChoice> choices) = 0;
  virtual int64_t vocab_size() const = 0;
};

// Called with each new token, the end token included, before the next is computed; false cancels.
using TokenCallback = std::function<bool(int64_t token)>;

// Greedy or sampled. `config` must be checked.
Generated generate(Decoder& decoder, Continuation& continuation,
                   const TokenCallback& on_token = {});

// Beams of one prompt. `seen` counts as the prompt's length. `keep_going` is asked between steps;
// when it says no, the best hypothesis so far is returned as cancelled.
Generated generate_with_beams(BeamDecoder& decoder, const GenerationConfig& config,
                              std::span<const int64_t> eos_ids, std::span<const int64_t> seen,
                              BeamLength length = BeamLength::kGenerated,
                              const std::function<bool()>& keep_going = {});

}  // namespace isthmus::generation
