#include "generation/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::generation {

namespace {

// All beams start as the same prompt; this keeps every one but the first out of the first choice.
constexpr float kUnborn = -1e9F;
constexpr double kNoneFinished = 1e9;

bool contains(const std::vector<int64_t>& ids, int64_t id) {
  return std::ranges::find(ids, id) != ids.end();
}

}  // namespace

BeamSearch::BeamSearch(BeamSearchConfig config)
    : config_(std::move(config)), worst_finished_(kNoneFinished) {
  ISTHMUS_CHECK(config_.num_beams >= 1 && config_.max_new_tokens >= 1, "empty beam search");
  const auto count = static_cast<size_t>(config_.num_beams);
  beams_.resize(count);
  scores_.assign(count, kUnborn);
  scores_.front() = 0;
}

// The top candidates over all beams, best first. Enough that the beams stay full even if each of
// them proposes every end token.
std::vector<BeamSearch::Candidate> BeamSearch::best_candidates(std::span<const float> log_probs,
                                                               int64_t vocab_size) const {
  const auto vocab = static_cast<size_t>(vocab_size);
  const bool shared_row = log_probs.size() == vocab;
  std::vector<Candidate> all;
  all.reserve(beams_.size() * vocab);
  for (size_t beam = 0; beam < beams_.size(); ++beam) {
    const auto row = log_probs.subspan(shared_row ? 0 : beam * vocab, vocab);
    for (size_t token = 0; token < vocab; ++token) {
      const float score = row[token] + scores_[beam];
      if (std::isnan(score))
        throw ModelError(
            fmt::format("the model's log-probability of token {} is not a number", token));
      all.push_back({score, static_cast<int64_t>(beam), static_cast<int64_t>(token)});
    }
  }
  const size_t wanted = std::max<size_t>(2, 1 + config_.end_ids.size()) * beams_.size();
  const size_t kept = std::min(wanted, all.size());
  const auto better = [](const Candidate& a, const Candidate& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::pair(a.parent, a.token) < std::pair(b.parent, b.token);
  };
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
                    better);
  all.resize(kept);
  return all;
}

double BeamSearch::normalized(double sum_log_probs, int64_t generated, int64_t end_tokens) const {
  const int64_t length = config_.length == BeamLength::kGenerated
                             ? generated + end_tokens
                             : config_.prompt_length + generated;
  return sum_log_probs / std::pow(static_cast<double>(length), config_.length_penalty);
}

void BeamSearch::add(std::vector<Hypothesis>& finished, double& worst,
                     Hypothesis hypothesis) const {
  if (finished.size() >= beams_.size() && hypothesis.score <= worst) return;
  const double score = hypothesis.score;
  finished.push_back(std::move(hypothesis));
  if (finished.size() <= beams_.size()) {
    worst = std::min(worst, score);
    return;
  }
  finished.erase(std::ranges::min_element(finished, {}, &Hypothesis::score));
  worst = std::ranges::min_element(finished, {}, &Hypothesis::score)->score;
}

const std::vector<BeamChoice>& BeamSearch::step(std::span<const float> log_probs,
                                                int64_t vocab_size) {
  const auto vocab = static_cast<size_t>(vocab_size);
  ISTHMUS_CHECK(!done(), "step after the end of the search");
  ISTHMUS_CHECK(
      log_probs.size() == beams_.size() * vocab || (num_steps_ == 0 && log_probs.size() == vocab),
      fmt::format("{} log-probabilities for {} beams", log_probs.size(), beams_.size()));
  const auto candidates = best_candidates(log_probs, vocab_size);
  const int64_t generated = num_steps_ + 1;  // the token being chosen included

  std::vector<std::vector<int64_t>> next_beams;
  std::vector<float> next_scores;
  choices_.clear();
  for (size_t rank = 0; rank < candidates.size() && next_beams.size() < beams_.size(); ++rank) {
    const auto& [score, parent, token] = candidates[rank];
    std::vector<int64_t> tokens = beams_[static_cast<size_t>(parent)];
    tokens.push_back(token);
    if (contains(config_.end_ids, token)) {
      // An end that is not among the best num_beams is not worth keeping.
      if (rank < beams_.size())
        add(finished_, worst_finished_,
            {normalized(score, generated - 1, 1), std::move(tokens), true});
      continue;
    }
    next_beams.push_back(std::move(tokens));
    next_scores.push_back(score);
    choices_.push_back({parent, token});
  }
  if (next_beams.size() < beams_.size())
    throw UsageError(fmt::format("num_beams: {} beams cannot be filled from a vocabulary of {}",
                                 beams_.size(), vocab_size));
  beams_ = std::move(next_beams);
  scores_ = std::move(next_scores);
  num_steps_ = generated;

  if (finished_.size() >= beams_.size()) {
    // Quirk: the bound is taken from the best candidate even if that one just ended, and at today's
    // length, although a positive length_penalty would let longer ones score better
    // (BeamHypotheses.is_done).
    const int64_t counted = config_.length == BeamLength::kGenerated ? 0 : config_.prompt_length;
    const double attainable =
        static_cast<double>(candidates.front().score) /
        std::pow(static_cast<double>(counted + generated), config_.length_penalty);
    done_ = config_.early_stopping || worst_finished_ >= attainable;
  }
  return choices_;
}

BeamResult BeamSearch::best() const {
  std::vector<Hypothesis> all = finished_;
  double worst = worst_finished_;
  if (!done_)
    for (size_t beam = 0; beam < beams_.size(); ++beam)
      add(all, worst, {normalized(scores_[beam], num_steps_, 0), beams_[beam], false});
  // Of equal scores the one added last, as sorted(...).pop() gives.
  const Hypothesis* best = &all.front();
  for (const Hypothesis& hypothesis : all)
    if (hypothesis.score >= best->score) best = &hypothesis;
  return {best->tokens, best->score, best->ended};
}

void log_softmax(std::span<float> logits) {
  if (logits.empty()) return;
  const double largest = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - largest);
  const double shift = largest + std::log(total);
  for (float& logit : logits) logit = static_cast<float>(static_cast<double>(logit) - shift);
}

}  // namespace isthmus::generation
