#include "layout/gpt_neox_config.h"

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/config_checks.h"

namespace isthmus::layout {

namespace {

// The fraction of a head that is rotated, and the base of the angles.
void parse_rotary(const JsonView& json, GptNeoxConfig& c) {
  double fraction = json.number("rotary_pct", 0.25);
  std::string_view key = "rotary_pct";
  JsonView owner = json;
  c.rope_theta = above_zero(json, "rotary_emb_base", 10000.0);
  if (json.contains("rope_scaling"))
    throw UnsupportedError(fmt::format("{}: scaled rotary angles are not supported in GPT-NeoX",
                                       key_path(json, "rope_scaling")));
  // transformers 5 moved all of it into `rope_parameters`.
  if (const auto moved = json.find("rope_parameters")) {
    if (!moved->is_object()) moved->fail("expected an object with \"rope_theta\"");
    if (const std::string type = moved->string("rope_type", "default"); type != "default")
      throw UnsupportedError(fmt::format("{}: rope type \"{}\" is not supported (default is)",
                                         key_path(*moved, "rope_type"), type));
    owner = *moved;
    key = "partial_rotary_factor";
    fraction = moved->number(key, fraction);
    c.rope_theta = above_zero(*moved, "rope_theta", c.rope_theta);
  }
  owner.require(fraction > 0 && fraction <= 1, key,
                fmt::format("expected a number in (0, 1], found {}", fraction));
  c.rotary_dims = static_cast<int64_t>(static_cast<double>(c.head_dim()) * fraction);
  owner.require(c.rotary_dims > 0 && c.rotary_dims % 2 == 0, key,
                fmt::format("{} of heads of {} values are {} values to rotate: expected an even "
                            "number above 0",
                            fraction, c.head_dim(), c.rotary_dims));
}

}  // namespace

GptNeoxConfig GptNeoxConfig::parse(const JsonView& json) {
  // Defaults of transformers' GPTNeoXConfig, i.e. GPT-NeoX-20B.
  GptNeoxConfig c{};
  c.hidden_size = bounded(json, "hidden_size", kMaxWidth, 6144);
  c.intermediate_size = bounded(json, "intermediate_size", kMaxWidth, 24576);
  c.num_hidden_layers = bounded(json, "num_hidden_layers", kMaxLayers, 44);
  c.num_attention_heads = bounded(json, "num_attention_heads", kMaxHeads, 64);
  c.vocab_size = bounded(json, "vocab_size", kMaxVocabulary, 50432);
  c.max_position_embeddings = bounded(json, "max_position_embeddings", kMaxPositions, 2048);
  c.layer_norm_eps = norm_epsilon(json, "layer_norm_eps", 1e-5);
  c.hidden_act = parse_activation(json, "hidden_act", "gelu");
  c.use_parallel_residual = json.boolean("use_parallel_residual", true);
  c.attention_bias = json.boolean("attention_bias", true);
  c.tie_word_embeddings = json.boolean("tie_word_embeddings", false);
  // No published config.json has the key: what is read from a GGUF file says it.
  const std::string layout = json.string("qkv_layout", "by_head");
  json.require(layout == "by_head" || layout == "by_kind", "qkv_layout",
               fmt::format("expected by_head or by_kind, found \"{}\"", layout));
  c.qkv_layout = layout == "by_kind" ? QkvLayout::kByKind : QkvLayout::kByHead;
  json.require(c.hidden_size % c.num_attention_heads == 0, "hidden_size",
               fmt::format("{} is not a multiple of num_attention_heads ({})", c.hidden_size,
                           c.num_attention_heads));
  parse_rotary(json, c);
  return c;
}

}  // namespace isthmus::layout
