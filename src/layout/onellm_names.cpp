#include "layout/onellm_names.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace isthmus::layout {
namespace {

bool ends_with_any(std::string_view name, std::span<const std::string_view> endings) {
  return std::ranges::any_of(endings, [&](std::string_view end) { return name.ends_with(end); });
}

bool is_outside(std::string_view name) {
  constexpr std::array<std::string_view, 4> kNames = {
      "clip.positional_embedding", "clip.text_projection", "clip.logit_scale", "clip.visual.proj"};
  return name.ends_with("rope.freqs") || name.starts_with("clip.token_embedding.") ||
         name.starts_with("clip.ln_final.") || name.starts_with("clip.transformer.") ||
         std::ranges::find(kNames, name) != kNames.end();
}

void add_language_model(const std::string& prefix, std::vector<formats::NameRule>& rules) {
  const std::string block = prefix + "layers.{i}.", own = "decoder.layers.{i}.";
  constexpr std::array<std::pair<const char*, const char*>, 9> kBlock = {
      {{"attention.wq.", "self_attn.q_proj."},
       {"attention.wk.", "self_attn.k_proj."},
       {"attention.wv.", "self_attn.v_proj."},
       {"attention.wo.", "self_attn.o_proj."},
       {"feed_forward.w1.", "mlp.gate_proj."},
       {"feed_forward.w2.", "mlp.down_proj."},
       {"feed_forward.w3.", "mlp.up_proj."},
       {"attention_norm.", "input_layernorm."},
       {"ffn_norm.", "post_attention_layernorm."}}};
  for (const auto& [file, module] : kBlock)
    rules.push_back({block + file + "{rest}", own + module + "{rest}"});
  rules.push_back({prefix + "tok_embeddings.weight", "decoder.embed_tokens.weight"});
  rules.push_back({prefix + "norm.weight", "decoder.norm.weight"});
  rules.push_back({prefix + "output.weight", "decoder.lm_head.weight"});
}

void add_tokenizer(const std::string& prefix, const ModalityConfig& modality,
                   std::vector<formats::NameRule>& rules) {
  const std::string own = "encoder.tokenizers." + modality.key + ".";
  const std::string conv = prefix + "conv1." + modality.key + "." +
                           (modality.tokenizer == TokenizerKind::kPointGroups ? "conv1." : "");
  rules.push_back({conv + "weight", own + "weight"});
  rules.push_back({conv + "bias", own + "bias"});
  rules.push_back({prefix + "positional_embedding." + modality.key, own + "positional_embedding"});
}

}  // namespace

OneLlmNames onellm_names(const std::string& prefix, std::span<const ModalityConfig> modalities) {
  std::vector<formats::NameRule> rules;
  add_language_model(prefix, rules);
  for (const ModalityConfig& modality : modalities)
    if (modality.has_tokenizer()) add_tokenizer(prefix, modality, rules);
  const std::string visual = prefix + "clip.visual.", block = "transformer.resblocks.{i}.attn.";
  rules.push_back({visual + block + "in_proj_weight", "encoder." + block + "in_proj.weight"});
  rules.push_back({visual + block + "in_proj_bias", "encoder." + block + "in_proj.bias"});
  rules.push_back({visual + "{rest}", "encoder.{rest}"});
  rules.push_back({prefix + "resample_layers.{rest}", "aligner.experts.{rest}"});
  for (const std::string table :
       {"resample_tokens.", "clip_proj1.", "clip_proj2.", "routers.", "start_tag.", "end_tag."})
    rules.push_back({prefix + table + "{rest}", "aligner." + table + "{rest}"});
  return {formats::NameMap(std::move(rules)), [prefix](std::string_view name) {
            return name.starts_with(prefix) && is_outside(name.substr(prefix.size()));
          }};
}

std::optional<size_t> onellm_cut_axis(std::string_view file_name) {
  constexpr std::array<std::string_view, 6> kRows = {
      "attention.wq.weight",    "attention.wk.weight",    "attention.wv.weight",
      "feed_forward.w1.weight", "feed_forward.w3.weight", "output.weight"};
  constexpr std::array<std::string_view, 3> kColumns = {
      "attention.wo.weight", "feed_forward.w2.weight", "tok_embeddings.weight"};
  if (ends_with_any(file_name, kRows)) return 0;
  if (ends_with_any(file_name, kColumns)) return 1;
  return std::nullopt;
}

}  // namespace isthmus::layout
