#include "generation/logits_processor.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::generation {

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

bool is_id(int64_t id, std::span<const float> logits) {
  return id >= 0 && static_cast<size_t>(id) < logits.size();
}

}  // namespace

void penalize_repetition(std::span<float> logits, std::span<const int64_t> seen, double penalty) {
  std::vector<int64_t> distinct(seen.begin(), seen.end());
  std::ranges::sort(distinct);
  const auto repeated = std::ranges::unique(distinct);
  distinct.erase(repeated.begin(), repeated.end());
  const auto factor = static_cast<float>(penalty);
  for (const int64_t id : distinct) {
    if (!is_id(id, logits)) continue;
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit < 0 ? logit * factor : logit / factor;
  }
}

void add_bias(std::span<float> logits, const std::map<int64_t, double>& bias) {
  for (const auto& [id, value] : bias)
    if (is_id(id, logits)) logits[static_cast<size_t>(id)] += static_cast<float>(value);
}

void penalize_presence(std::span<float> logits, std::span<const int64_t> generated, double presence,
                       double frequency) {
  std::map<int64_t, int64_t> counts;
  for (const int64_t id : generated) ++counts[id];
  for (const auto& [id, count] : counts)
    if (is_id(id, logits))
      logits[static_cast<size_t>(id)] -=
          static_cast<float>(presence + frequency * static_cast<double>(count));
}

void forbid(std::span<float> logits, std::span<const int64_t> ids) {
  for (const int64_t id : ids)
    if (is_id(id, logits)) logits[static_cast<size_t>(id)] = kForbidden;
}

void apply_temperature(std::span<float> logits, double temperature) {
  // Below this quotients overflow, and nothing but the likeliest has a chance.
  constexpr double kColdest = 1e-20;
  if (temperature < kColdest) {
    const float largest = std::ranges::max(logits);
    for (float& logit : logits) logit = logit == largest ? 0 : kForbidden;
    return;
  }
  const auto divisor = static_cast<float>(temperature);
  for (float& logit : logits) logit /= divisor;
}

void keep_top_k(std::span<float> logits, int64_t k) {
  if (k < 1 || static_cast<size_t>(k) >= logits.size()) return;
  std::vector<float> sorted(logits.begin(), logits.end());
  const auto kth = sorted.begin() + (k - 1);
  std::nth_element(sorted.begin(), kth, sorted.end(), std::greater<float>());
  for (float& logit : logits)
    if (logit < *kth) logit = kForbidden;
}

void keep_top_p(std::span<float> logits, double p) {
  if (p >= 1) return;
  // Forbidden tokens have probability 0 and would be removed first anyway.
  std::vector<size_t> ascending;
  for (size_t id = 0; id < logits.size(); ++id)
    if (logits[id] != kForbidden) ascending.push_back(id);
  if (ascending.empty()) return;
  std::ranges::stable_sort(ascending, {}, [&](size_t id) { return logits[id]; });

  const double largest = logits[ascending.back()];
  std::vector<double> weights(ascending.size());
  std::ranges::transform(ascending, weights.begin(),
                         [&](size_t id) { return std::exp(logits[id] - largest); });
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  // The reference compares single-precision sums of single-precision probabilities.
  const auto threshold = static_cast<float>(1 - p);
  double running = 0;
  for (size_t i = 0; i + 1 < ascending.size(); ++i) {
    running += static_cast<float>(weights[i] / total);
    if (static_cast<float>(running) > threshold) break;
    logits[ascending[i]] = kForbidden;
  }
}

void keep_min_p(std::span<float> logits, double min_p) {
  if (min_p <= 0 || logits.empty()) return;
  // p >= min_p * largest p: the same of logits, without their exponentials.
  const double least = *std::ranges::max_element(logits) + std::log(min_p);
  for (float& logit : logits)
    if (logit < least) logit = kForbidden;
}

void keep_typical(std::span<float> logits, double p) {
  if (p >= 1) return;
  std::vector<size_t> left;
  for (size_t id = 0; id < logits.size(); ++id)
    if (logits[id] != kForbidden) left.push_back(id);
  if (left.empty()) return;
  const double largest = *std::ranges::max_element(logits);
  double total = 0;
  for (const size_t id : left) total += std::exp(logits[id] - largest);
  const auto surprise = [&](size_t id) { return std::log(total) + largest - logits[id]; };
  double entropy = 0;
  for (const size_t id : left) entropy += std::exp(-surprise(id)) * surprise(id);
  std::ranges::stable_sort(left, {}, [&](size_t id) { return std::abs(surprise(id) - entropy); });
  double running = 0;
  for (const size_t id : left) {
    if (running >= p)
      logits[id] = kForbidden;
    else
      running += std::exp(-surprise(id));
  }
}

void check_logits(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // Without a way out of the loop, which compilers do not vectorise.
  int sound = 1, any_left = 0;
  for (const float logit : logits) {
    sound &= logit < kInfinity;
    any_left |= logit != kForbidden;
  }
  if (sound == 0) {
    const auto broken = std::ranges::find_if_not(logits, [](float x) { return x < kInfinity; });
    throw ModelError(
        fmt::format("the model's logit for token {} is {}: the weights are broken or overflow in "
                    "this storage",
                    broken - logits.begin(), *broken));
  }
  if (any_left == 0) throw ModelError("no token is left to choose: every logit is -infinity");
}

LogitsProcessors::LogitsProcessors(const GenerationConfig& config, std::span<const int64_t> end_ids)
    : config_(config), end_ids_(end_ids.begin(), end_ids.end()) {}

void LogitsProcessors::apply(std::span<float> logits, std::span<const int64_t> seen,
                             int64_t num_new_tokens) const {
  check_logits(logits);
  add_bias(logits, config_.logit_bias);
  const auto latest = [&](std::span<const int64_t> ids) {
    const auto most = static_cast<size_t>(config_.penalty_last_n);  // -1: more than there can be
    return ids.last(std::min(ids.size(), most));
  };
  if (config_.repetition_penalty != 1)
    penalize_repetition(logits, latest(seen), config_.repetition_penalty);
  if (config_.presence_penalty != 0 || config_.frequency_penalty != 0)
    penalize_presence(logits, latest(seen.last(static_cast<size_t>(num_new_tokens))),
                      config_.presence_penalty, config_.frequency_penalty);
  if (num_new_tokens < config_.min_new_tokens) forbid(logits, end_ids_);
  if (config_.temperature == 0) return;
  if (config_.temperature != 1) apply_temperature(logits, config_.temperature);
  if (config_.top_k > 0) keep_top_k(logits, config_.top_k);
  if (config_.top_p < 1) keep_top_p(logits, config_.top_p);
  if (config_.min_p > 0) keep_min_p(logits, config_.min_p);
  if (config_.typical_p < 1) keep_typical(logits, config_.typical_p);
}

}  // namespace isthmus::generation
