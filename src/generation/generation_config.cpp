#include "generation/generation_config.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "isthmus/error.h"

namespace isthmus::generation {

namespace {

constexpr int64_t kMaxNewTokens = int64_t{1} << 31;
constexpr int64_t kMaxBeams = 256;
constexpr int64_t kMostGuesses = 64;
constexpr double kLargestPenalty = 2;  // OpenAI's bounds, of both kinds
constexpr double kLargestBias = 100;
constexpr size_t kMostBiases = 4096;
constexpr int64_t kMaxTokenId = int64_t{1} << 31;

void require(bool condition, std::string_view field, const std::string& what) {
  if (!condition) throw UsageError(fmt::format("{}: {}", field, what));
}

void require_finite(double value, std::string_view field) {
  require(std::isfinite(value), field, fmt::format("expected a finite number, found {}", value));
}

void read_field(const std::string& key, const JsonView& value, GenerationConfig& config) {
  if (key == "max_new_tokens") {
    config.max_new_tokens = value.as_integer();
  } else if (key == "min_new_tokens") {
    config.min_new_tokens = value.as_integer();
  } else if (key == "temperature") {
    config.temperature = value.as_number();
  } else if (key == "top_p") {
    config.top_p = value.as_number();
  } else if (key == "top_k") {
    config.top_k = value.as_integer();
  } else if (key == "min_p") {
    config.min_p = value.as_number();
  } else if (key == "typical_p") {
    config.typical_p = value.as_number();
  } else if (key == "repetition_penalty") {
    config.repetition_penalty = value.as_number();
  } else if (key == "presence_penalty") {
    config.presence_penalty = value.as_number();
  } else if (key == "frequency_penalty") {
    config.frequency_penalty = value.as_number();
  } else if (key == "penalty_last_n") {
    config.penalty_last_n = value.as_integer();
  } else if (key == "logit_bias") {
    config.logit_bias = parse_logit_bias(value);
  } else if (key == "num_beams") {
    config.num_beams = value.as_integer();
  } else if (key == "length_penalty") {
    config.length_penalty = value.as_number();
  } else if (key == "early_stopping") {
    config.early_stopping = value.as_boolean();
  } else if (key == "seed") {
    const int64_t seed = value.as_integer();
    if (seed < 0) value.fail(fmt::format("expected a seed of at least 0, found {}", seed));
    config.seed = static_cast<uint64_t>(seed);
  } else if (key == "prompt_lookup_num_tokens") {
    config.prompt_lookup_num_tokens = value.as_integer();
  } else if (key == "num_assistant_tokens") {
    config.num_assistant_tokens = value.as_integer();
  } else if (key == "json_schema") {
    // The text of a schema, or the schema itself.
    config.json_schema = value.is_string() ? value.as_string() : value.raw().dump();
    if (config.json_schema.empty()) value.fail("is empty");
  } else if (key == "grammar") {
    config.grammar = value.as_string();
    if (config.grammar.empty()) value.fail("is empty");
  } else if (key == "stop") {
    if (value.is_string()) {
      config.stop.push_back(value.as_string());
    } else {
      for (const JsonView& text : value.elements()) config.stop.push_back(text.as_string());
    }
  } else if (key == "stop_ids") {
    for (const JsonView& id : value.elements()) config.stop_ids.push_back(id.as_integer());
  } else if (key == "quirks") {
    for (const auto& [name, on] : value.members()) config.quirks[name] = on.as_boolean();
  } else {
    value.fail(
        "unknown field; known are max_new_tokens, min_new_tokens, temperature, top_p, top_k, "
        "min_p, "
        "typical_p, repetition_penalty, presence_penalty, frequency_penalty, penalty_last_n, "
        "logit_bias, num_beams, length_penalty, early_stopping, seed, "
        "prompt_lookup_num_tokens, num_assistant_tokens, json_schema, grammar, stop, stop_ids, "
        "quirks");
  }
}

}  // namespace

std::map<int64_t, double> parse_logit_bias(const JsonView& json) {
  std::map<int64_t, double> biases;
  for (const auto& [key, value] : json.members()) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= kMaxTokenId)
      json.fail(fmt::format("\"{}\" is not a token id", key));
    biases[id] = value.as_number();
  }
  if (biases.size() > kMostBiases) json.fail(fmt::format("more than {} tokens", kMostBiases));
  return biases;
}

void check_generation_config(const GenerationConfig& c) {
  require(c.max_new_tokens >= 1 && c.max_new_tokens <= kMaxNewTokens, "max_new_tokens",
          fmt::format("expected 1 to {}, found {}", kMaxNewTokens, c.max_new_tokens));
  require(c.min_new_tokens >= 0 && c.min_new_tokens <= c.max_new_tokens, "min_new_tokens",
          fmt::format("expected 0 to max_new_tokens ({}), found {}", c.max_new_tokens,
                      c.min_new_tokens));
  require_finite(c.temperature, "temperature");
  require(c.temperature >= 0, "temperature",
          fmt::format("expected 0 (greedy) or more, found {}", c.temperature));
  require(c.top_p >= 0 && c.top_p <= 1, "top_p", fmt::format("expected 0 to 1, found {}", c.top_p));
  require(c.top_k >= 0, "top_k", fmt::format("expected 0 (off) or more, found {}", c.top_k));
  require(c.min_p >= 0 && c.min_p <= 1, "min_p", fmt::format("expected 0 to 1, found {}", c.min_p));
  require(c.typical_p > 0 && c.typical_p <= 1, "typical_p",
          fmt::format("expected above 0 and at most 1, found {}", c.typical_p));
  for (const auto& [field, penalty] : {std::pair("presence_penalty", c.presence_penalty),
                                       std::pair("frequency_penalty", c.frequency_penalty)})
    require(std::abs(penalty) <= kLargestPenalty, field,
            fmt::format("expected {} to {}, found {}", -kLargestPenalty, kLargestPenalty, penalty));
  require(c.penalty_last_n >= -1, "penalty_last_n",
          fmt::format("expected -1 (all) or more, found {}", c.penalty_last_n));
  for (const auto& [id, bias] : c.logit_bias) {
    require(id >= 0 && id < kMaxTokenId, "logit_bias", fmt::format("{} is not a token id", id));
    require(std::abs(bias) <= kLargestBias, fmt::format("logit_bias.{}", id),
            fmt::format("expected {} to {}, found {}", -kLargestBias, kLargestBias, bias));
  }
  for (const auto& [field, guesses] :
       {std::pair("prompt_lookup_num_tokens", c.prompt_lookup_num_tokens),
        std::pair("num_assistant_tokens", c.num_assistant_tokens)})
    require(guesses >= 0 && guesses <= kMostGuesses, field,
            fmt::format("expected 0 to {}, found {}", kMostGuesses, guesses));
  require_finite(c.repetition_penalty, "repetition_penalty");
  require(c.repetition_penalty > 0, "repetition_penalty",
          fmt::format("expected a number above 0, found {}", c.repetition_penalty));
  require(c.num_beams >= 1 && c.num_beams <= kMaxBeams, "num_beams",
          fmt::format("expected 1 to {}, found {}", kMaxBeams, c.num_beams));
  require_finite(c.length_penalty, "length_penalty");
  require(c.num_beams == 1 || c.temperature == 0, "num_beams",
          fmt::format("{} beams cannot be combined with sampling (temperature {})", c.num_beams,
                      c.temperature));
  require(c.json_schema.empty() || c.grammar.empty(), "grammar",
          "an answer follows a json_schema or a grammar, not both");
  if (!c.json_schema.empty() || !c.grammar.empty()) {
    const char* field = c.grammar.empty() ? "json_schema" : "grammar";
    require(c.num_beams == 1, field,
            fmt::format("cannot be combined with beams (num_beams {})", c.num_beams));
    require(c.min_new_tokens == 0, field,
            fmt::format("says when the answer may end, which min_new_tokens ({}) would contradict",
                        c.min_new_tokens));
  }
  for (const std::string& text : c.stop) require(!text.empty(), "stop", "a stop string is empty");
  for (const int64_t id : c.stop_ids)
    require(id >= 0 && id < kMaxTokenId, "stop_ids", fmt::format("{} is not a token id", id));
}

GenerationConfig parse_generation_config(const JsonView& json) {
  GenerationConfig config;
  // The views complain about a file; here the file is the user's request.
  try {
    for (const auto& [key, value] : json.members()) read_field(key, value, config);
  } catch (const ModelError& error) {
    throw UsageError(error.what());
  }
  try {
    check_generation_config(config);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}.{}", json.where(), error.what()));
  }
  return config;
}

}  // namespace isthmus::generation
