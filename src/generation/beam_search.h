// Beam search over log-probabilities, as transformers' BeamSearchScorer does it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace isthmus::generation {

// What `length` means where a hypothesis' score is sum of log-probabilities /
// length^length_penalty.
enum class BeamLength {
  kGenerated,      // new tokens, the end token included (transformers 4.36 and later)
  kWholeSequence,  // prompt and new tokens, the end token excluded (before; OpenFlamingo's results
                   // rest on it)
};

struct BeamSearchConfig {
  int64_t num_beams;
  double length_penalty = 1;
  bool early_stopping =
      false;  // stop at num_beams finished hypotheses, without asking for better ones
  std::vector<int64_t> end_ids;
  int64_t max_new_tokens;
  BeamLength length = BeamLength::kGenerated;
  // Tokens the reference's scorer sees before the first new one; only kWholeSequence counts them.
  // For LLaVA that is 1, whatever the prompt: generation starts from embeddings, and the scorer is
  // handed a lone BOS.
  int64_t prompt_length = 0;
};

// Row `parent` of the last step continues with `token`.
struct BeamChoice {
  int64_t parent, token;
  bool operator==(const BeamChoice&) const = default;
};

struct BeamResult {
  // New tokens, the end token included: the one that was chosen, where transformers always writes
  // its first.
  std::vector<int64_t> tokens;
  double score;
  bool ended;  // by an end token, not by max_new_tokens
};

// One prompt's beams. The caller runs the model and reorders its KV cache:
//   while (!search.done()) choices = search.step(log_probs of the beams, vocab_size);
class BeamSearch {
 public:
  explicit BeamSearch(BeamSearchConfig config);

  // `log_probs`: [rows, vocab_size] with the logits processors applied; rows is num_beams, or 1 in
  // the first step (all beams are still the prompt). Returns one choice per beam. Of equal sums the
  // lower row, then the lower id is preferred. Throws UsageError when the vocabulary cannot fill
  // the beams, ModelError on NaN.
  const std::vector<BeamChoice>& step(std::span<const float> log_probs, int64_t vocab_size);

  bool done() const { return done_ || num_steps_ >= config_.max_new_tokens; }
  // New tokens of an open beam so far.
  const std::vector<int64_t>& tokens(int64_t beam) const {
    return beams_[static_cast<size_t>(beam)];
  }
  // The best hypothesis, finished or, if the search was cut off, open.
  BeamResult best() const;

 private:
  struct Hypothesis {
    double score;
    std::vector<int64_t> tokens;
    bool ended;
  };
  struct Candidate {
    float score;
    int64_t parent, token;
  };
  std::vector<Candidate> best_candidates(std::span<const float> log_probs,
                                         int64_t vocab_size) const;
  double normalized(double sum_log_probs, int64_t generated, int64_t end_tokens) const;
  void add(std::vector<Hypothesis>& finished, double& worst, Hypothesis hypothesis) const;

  BeamSearchConfig config_;
  std::vector<std::vector<int64_t>> beams_;
  std::vector<float> scores_;
  std::vector<BeamChoice> choices_;
  std::vector<Hypothesis> finished_;
  double worst_finished_;
  int64_t num_steps_ = 0;
  bool done_ = false;
};

// In place: x - log(sum(exp(x))).
void log_softmax(std::span<float> logits);

}  // namespace isthmus::generation
