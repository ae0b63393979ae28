// Changes to the logits before a token is chosen, in the order and with the meaning of
// transformers' LogitsProcessorList (generation/logits_process.py, 4.37). A forbidden token has the
// logit -infinity.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "isthmus/generation.h"

namespace isthmus::generation {

// Logits of ids in `seen` are divided by `penalty` when positive and multiplied when negative, once
// per id however often it was seen. Ids outside the vocabulary are skipped.     Keskar et al. 2019
// (CTRL), §4.1
void penalize_repetition(std::span<float> logits, std::span<const int64_t> seen, double penalty);

void forbid(std::span<float> logits, std::span<const int64_t> ids);

void apply_temperature(std::span<float> logits, double temperature);

// Keeps the k largest; whatever equals the smallest of them stays too.
void keep_top_k(std::span<float> logits, int64_t k);

// Keeps the most probable tokens whose probabilities sum to at least `p`, one at least: from the
// least probable up, tokens go while their running sum is at most 1 - p. Of equal logits the lower
// id goes first.
//                                                                        Holtzman et al. 2020, §3.1
void keep_top_p(std::span<float> logits, double p);

// Throws ModelError if a logit is NaN or +infinity, or if no token is left to choose.
void check_logits(std::span<const float> logits);

// The chain a GenerationConfig asks for: repetition penalty, minimum length; and, when sampling,
// temperature, top-k, top-p. Immutable; safe from any thread.
class LogitsProcessors {
 public:
  LogitsProcessors(const GenerationConfig& config, std::span<const int64_t> end_ids);

  // `seen`: the ids the repetition penalty looks at; `num_new_tokens`: how many were generated so
  // far. Checks the logits first.
  void apply(std::span<float> logits, std::span<const int64_t> seen, int64_t num_new_tokens) const;

 private:
  GenerationConfig config_;
  std::vector<int64_t> end_ids_;
};

}  // namespace isthmus::generation
