#include "layout/mpt_config.h"

#include <cmath>
#include <string>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/config_checks.h"

namespace isthmus::layout {

namespace {

// A file that is given on its own may leave model_type out; whoever chose this parser knew it.
bool is_mosaic(const JsonView& json) {
  const std::string model_type = json.string("model_type", "mpt");
  if (model_type == "mosaic_gpt") return true;
  if (model_type == "mpt") return false;
  throw UnsupportedError(fmt::format("{}: \"{}\" is not an MPT decoder (mpt, mosaic_gpt)",
                                     key_path(json, "model_type"), model_type));
}

double scale_of(const JsonView& json, std::string_view key, double fallback) {
  return json.contains(key) ? above_zero(json, key, fallback) : fallback;
}

double parse_logit_scale(const JsonView& json, int64_t hidden_size) {
  const auto value = json.find("logit_scale");
  if (!value) return 1;
  if (!value->is_string()) return above_zero(json, "logit_scale", 1);
  if (value->as_string() != "inv_sqrt_d_model")
    value->fail("expected a number or \"inv_sqrt_d_model\", found \"" + value->as_string() + "\"");
  return 1 / std::sqrt(static_cast<double>(hidden_size));
}

// What both generations share, under the key each of them gives it.
struct AttentionKeys {
  std::string_view qk_ln, clip_qkv;
};

void parse_attention(const JsonView& json, const AttentionKeys& keys, bool alibi_default,
                     MptConfig& c) {
  c.alibi = json.boolean("alibi", alibi_default);
  // Far above any use: slopes are 2^-alibi_bias_max at the last head.
  constexpr int64_t kMaxBias = 1024;
  c.alibi_bias_max = bounded(json, "alibi_bias_max", kMaxBias, 8);
  c.qk_ln = json.boolean(keys.qk_ln, false);
  c.clip_qkv = scale_of(json, keys.clip_qkv, 0);
  c.softmax_scale =
      scale_of(json, "softmax_scale", 1 / std::sqrt(static_cast<double>(c.head_dim())));
  require_off(json, "prefix_lm");
  require_off(json, "attn_uses_sequence_id");
}

// MosaicGPT: one flat object. Defaults of its configuration class.
void parse_mosaic(const JsonView& json, MptConfig& c) {
  const int64_t ratio = bounded(json, "mlp_ratio", 64, 4);
  c.intermediate_size = ratio * c.hidden_size;
  c.bias = !json.boolean("no_bias", false);
  c.layer_norm_eps = 1e-5;  // not a key: torch's default
  c.tie_word_embeddings = true;
  c.alibi_interleaved = false;
  parse_attention(json, {"attn_qk_ln", "attn_clip_qkv"}, false, c);
}

// MPT: attention has an object of its own. Defaults of transformers' MptConfig.
void parse_mpt(const JsonView& json, MptConfig& c) {
  c.intermediate_size = 4 * c.hidden_size;
  c.bias = !json.boolean("no_bias", true);
  c.layer_norm_eps = norm_epsilon(json, "layer_norm_epsilon", 1e-5);
  c.tie_word_embeddings = json.boolean("tie_word_embeddings", true);
  c.alibi_interleaved = true;
  const std::string norm = json.string("norm_type", "low_precision_layernorm");
  if (norm != "low_precision_layernorm" && norm != "layernorm")
    throw UnsupportedError(
        fmt::format("{}: \"{}\" is not supported (layernorm and low_precision_layernorm are)",
                    key_path(json, "norm_type"), norm));
  const JsonView attention =
      json.find("attn_config").value_or(JsonView::parse("{}", key_path(json, "attn_config")));
  if (!attention.is_object()) attention.fail("expected an object");
  const std::string type = attention.string("attn_type", "multihead_attention");
  if (type != "multihead_attention")
    throw UnsupportedError(fmt::format("{}: \"{}\" is not supported (multihead_attention is)",
                                       key_path(attention, "attn_type"), type));
  require_off(attention, "rope");
  parse_attention(attention, {"qk_ln", "clip_qkv"}, true, c);
}

}  // namespace

MptConfig MptConfig::parse(const JsonView& json) {
  MptConfig c{};
  c.is_mosaic_gpt = is_mosaic(json);
  c.hidden_size = bounded(json, "d_model", kMaxWidth, 2048);
  c.num_attention_heads = bounded(json, "n_heads", kMaxHeads, 16);
  c.num_hidden_layers = bounded(json, "n_layers", kMaxLayers, 24);
  c.vocab_size = bounded(json, "vocab_size", kMaxVocabulary, 50368);
  c.max_seq_len = bounded(json, "max_seq_len", kMaxPositions, 2048);
  c.use_cache = json.boolean("use_cache", false);
  c.logit_scale = parse_logit_scale(json, c.hidden_size);
  json.require(
      c.hidden_size % c.num_attention_heads == 0, "d_model",
      fmt::format("{} is not a multiple of n_heads ({})", c.hidden_size, c.num_attention_heads));
  if (c.is_mosaic_gpt) {
    parse_mosaic(json, c);
  } else {
    parse_mpt(json, c);
  }
  return c;
}

}  // namespace isthmus::layout
