#include "layout/llama_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "isthmus/error.h"
#include "layout/clip_vision_config.h"
#include "layout/config_checks.h"

namespace isthmus::layout {

namespace {

enum class Kind { kLlama, kMistral };

Kind decoder_kind(const JsonView& json) {
  const std::string model_type = json.string("model_type", "llama");
  // "llava" is what the first LLaVA checkpoints wrote before there was a llava_llama.
  for (const char* name : {"llama", "llava_llama", "llava"})
    if (model_type == name) return Kind::kLlama;
  for (const char* name : {"mistral", "llava_mistral"})
    if (model_type == name) return Kind::kMistral;
  throw UnsupportedError(fmt::format(
      "{}: the language model is of type \"{}\"; LLaMA and Mistral decoders are supported",
      key_path(json, "model_type"), model_type));
}

// No published config.json has the key: what is read from a GGUF file says it.
RopeLayout parse_rope_layout(const JsonView& json) {
  const std::string layout = json.string("rope_layout", "halves");
  json.require(layout == "halves" || layout == "pairs", "rope_layout",
               fmt::format("expected halves or pairs, found \"{}\"", layout));
  return layout == "pairs" ? RopeLayout::kPairs : RopeLayout::kHalves;
}

// Frequencies whose waves are longer than the trained context are divided by `factor`, those much
// shorter stay, and in between it goes over smoothly.            Llama 3.1: models/llama3, model.py
std::vector<double> llama3_factors(const JsonView& scaling, double theta, int64_t head_dim) {
  const double factor = scaling.number("factor"), low = scaling.number("low_freq_factor"),
               high = scaling.number("high_freq_factor");
  const auto trained =
      static_cast<double>(bounded(scaling, "original_max_position_embeddings", kMaxPositions));
  scaling.require(factor >= 1, "factor",
                  fmt::format("expected a number of at least 1, found {}", factor));
  scaling.require(low > 0, "low_freq_factor", fmt::format("expected above 0, found {}", low));
  scaling.require(high > low, "high_freq_factor",
                  fmt::format("expected above low_freq_factor ({}), found {}", low, high));
  std::vector<double> factors;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(head_dim);
    const double wave = 2 * std::numbers::pi * std::pow(theta, exponent);
    const double kept = std::clamp((trained / wave - low) / (high - low), 0.0, 1.0);
    factors.push_back(1 / ((1 - kept) / factor + kept));
  }
  return factors;
}

// No published config.json has the key: what is read from a GGUF file says it.
std::vector<double> given_factors(const JsonView& json, int64_t head_dim) {
  std::vector<double> factors;
  const JsonView list = json.at("rope_frequency_factors");
  for (const JsonView& factor : list.elements()) {
    factors.push_back(factor.as_number());
    if (factors.back() <= 0) factor.fail("expected a number above 0");
  }
  if (static_cast<int64_t>(factors.size()) != head_dim / 2)
    list.fail(fmt::format("{} numbers, expected half of head_dim ({})", factors.size(), head_dim));
  return factors;
}

// After head_dim.
void parse_rope(const JsonView& json, LlamaConfig& c) {
  c.rope_layout = parse_rope_layout(json);
  c.rope_theta = above_zero(json, "rope_theta", 10000.0);  // LLaMA 1 and 2
  c.rope_scaling = RopeScaling::kNone;
  c.rope_factor = 1;
  if (json.contains("rope_frequency_factors"))
    c.rope_frequency_factors = given_factors(json, c.head_dim);
  // transformers 5 moved theta and scaling together into `rope_parameters`.
  auto scaling = json.find("rope_scaling");
  if (!scaling) scaling = json.find("rope_parameters");
  if (!scaling) return;
  if (!scaling->is_object()) scaling->fail("expected an object with \"type\" and \"factor\"");
  c.rope_theta = above_zero(*scaling, "rope_theta", c.rope_theta);
  const std::string_view type_key = scaling->contains("rope_type") ? "rope_type" : "type";
  const std::string type = scaling->string(type_key);
  if (type == "default") return;
  if (type == "llama3") {
    c.rope_frequency_factors = llama3_factors(*scaling, c.rope_theta, c.head_dim);
    return;
  }
  if (type == "linear") {
    c.rope_scaling = RopeScaling::kLinear;
  } else if (type == "dynamic") {
    c.rope_scaling = RopeScaling::kDynamic;
  } else {
    throw UnsupportedError(
        fmt::format("{}: rope type \"{}\" is not supported (linear, dynamic and llama3 are)",
                    key_path(*scaling, type_key), type));
  }
  c.rope_factor = scaling->number("factor");
  scaling->require(c.rope_factor >= 1, "factor",
                   fmt::format("expected a number of at least 1, found {}", c.rope_factor));
}

// Mistral looks back over 4096 keys when the file says nothing and over all when it says null,
// which is why absent and null differ here and nowhere else.
int64_t parse_sliding_window(const JsonView& json, Kind kind) {
  constexpr int64_t kMistralDefault = 4096;
  if (kind != Kind::kMistral) return 0;
  if (!json.raw().contains("sliding_window")) return kMistralDefault;
  return json.contains("sliding_window") ? bounded(json, "sliding_window", kMaxPositions) : 0;
}

}  // namespace

LlamaConfig LlamaConfig::parse(const JsonView& json) {
  const Kind kind = decoder_kind(json);
  const bool mistral = kind == Kind::kMistral;

  // Defaults of Hugging Face's LlamaConfig and MistralConfig: a text_config lists only what
  // differs.
  LlamaConfig c{};
  c.hidden_size = bounded(json, "hidden_size", kMaxWidth, 4096);
  c.intermediate_size = bounded(json, "intermediate_size", kMaxWidth, mistral ? 14336 : 11008);
  c.num_hidden_layers = bounded(json, "num_hidden_layers", kMaxLayers, 32);
  c.num_attention_heads = bounded(json, "num_attention_heads", kMaxHeads, 32);
  // Files older than grouped-query attention leave the key out: every head has its own keys and
  // values.
  const bool mistral_default = mistral && !json.raw().contains("num_key_value_heads");
  c.num_key_value_heads =
      bounded(json, "num_key_value_heads", kMaxHeads, mistral_default ? 8 : c.num_attention_heads);
  c.vocab_size = bounded(json, "vocab_size", kMaxVocabulary, 32000);
  c.max_position_embeddings =
      bounded(json, "max_position_embeddings", kMaxPositions, mistral ? 32 * 4096 : 2048);
  c.rms_norm_eps = above_zero(json, "rms_norm_eps", 1e-6);
  c.sliding_window = parse_sliding_window(json, kind);
  c.tie_word_embeddings = json.boolean("tie_word_embeddings", false);
  c.attention_bias = json.boolean("attention_bias", false);

  if (json.contains("head_dim")) {
    c.head_dim = bounded(json, "head_dim", kMaxWidth);
  } else {
    json.require(c.hidden_size % c.num_attention_heads == 0, "hidden_size",
                 fmt::format("{} is not a multiple of num_attention_heads ({})", c.hidden_size,
                             c.num_attention_heads));
    c.head_dim = c.hidden_size / c.num_attention_heads;
  }
  json.require(
      c.head_dim % 2 == 0, "num_attention_heads",
      fmt::format("heads of {} values cannot be rotated: the width must be even", c.head_dim));
  parse_rope(json, c);
  json.require(c.num_attention_heads * c.head_dim <= kMaxWidth, "num_attention_heads",
               fmt::format("{} heads of {} values: no such model exists", c.num_attention_heads,
                           c.head_dim));
  json.require(c.num_attention_heads % c.num_key_value_heads == 0, "num_key_value_heads",
               fmt::format("{} does not divide num_attention_heads ({})", c.num_key_value_heads,
                           c.num_attention_heads));
  json.require(c.rms_norm_eps < 1, "rms_norm_eps",
               fmt::format("expected a number in (0, 1), found {}", c.rms_norm_eps));
  if (parse_activation(json, "hidden_act", "silu") != Activation::kSilu)
    throw UnsupportedError(fmt::format("{}: LLaMA decoders with \"{}\" are not supported (silu is)",
                                       key_path(json, "hidden_act"), json.string("hidden_act")));
  if (json.boolean("mlp_bias", false))
    throw UnsupportedError(fmt::format("{}: a bias in the feed-forward layers is not supported",
                                       key_path(json, "mlp_bias")));
  return c;
}

}  // namespace isthmus::layout
