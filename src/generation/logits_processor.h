// Changes to the logits before a token is chosen, in the order and with the meaning of
// transformers' LogitsProcessorList (generation/logits_process.py, 4.37; min_p of 4.41). A
// forbidden token has the logit -infinity, and keeps it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "isthmus/generation.h"

namespace isthmus::generation {

// Logits of ids in `seen` are divided by `penalty` when positive and multiplied when negative, once
// per id however often it was seen. Ids outside the vocabulary are skipped.     Keskar et al. 2019
// (CTRL), §4.1
void penalize_repetition(std::span<float> logits, std::span<const int64_t> seen, double penalty);

// logit_bias of OpenAI's API: added to the logits. Ids outside the vocabulary are skipped.
void add_bias(std::span<float> logits, const std::map<int64_t, double>& bias);

// Of the logit of every id in `generated`, which stands there c times, `presence` + c * `frequency`
// is subtracted.            platform.openai.com/docs/api-reference, frequency_penalty
void penalize_presence(std::span<float> logits, std::span<const int64_t> generated, double presence,
                       double frequency);

void forbid(std::span<float> logits, std::span<const int64_t> ids);

void apply_temperature(std::span<float> logits, double temperature);

// Keeps the k largest; whatever equals the smallest of them stays too.
void keep_top_k(std::span<float> logits, int64_t k);

// Keeps the most probable tokens whose probabilities sum to at least `p`, one at least: from the
// least probable up, tokens go while their running sum is at most 1 - p. Of equal logits the lower
// id goes first.
//                                                                        Holtzman et al. 2020, §3.1
void keep_top_p(std::span<float> logits, double p);

// Keeps tokens at least `min_p` times as probable as the most probable one.
//                                                              Nguyen et al. 2024 (min-p), §3
void keep_min_p(std::span<float> logits, double min_p);

// Keeps tokens whose surprise, -log p, is nearest to the entropy: the nearest ones whose
// probabilities sum to at least `p`. Of equally near ones the lower id is kept first.
//                                                              Meister et al. 2023, §4
void keep_typical(std::span<float> logits, double p);

// Throws ModelError if a logit is NaN or +infinity, or if no token is left to choose.
void check_logits(std::span<const float> logits);

// The chain a GenerationConfig asks for: bias, repetition penalty, presence and frequency penalty,
// minimum length; and, when sampling, temperature, top-k, top-p, min-p, typical-p. Immutable; safe
// from any thread.
class LogitsProcessors {
 public:
  LogitsProcessors(const GenerationConfig& config, std::span<const int64_t> end_ids);

  // `seen`: the ids the repetition penalty looks at, those generated so far last, which are
  // `num_new_tokens`: the other penalties look at them alone. Checks the logits first.
  void apply(std::span<float> logits, std::span<const int64_t> seen, int64_t num_new_tokens) const;

 private:
  GenerationConfig config_;
  std::vector<int64_t> end_ids_;
};

}  // namespace isthmus::generation
