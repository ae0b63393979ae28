#include "layout/gguf_names.h"

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace isthmus::layout {

namespace {

using formats::NameRule;

struct Renamed {
  const char *file, *module;
};

// Norm and bias follow each name: blk.3.attn_q.weight.
std::vector<NameRule> in_blocks(const std::string& file, const std::string& module,
                                std::initializer_list<Renamed> parts) {
  std::vector<NameRule> rules;
  for (const Renamed& part : parts)
    rules.push_back({file + part.file + ".{rest}", module + part.module + ".{rest}"});
  return rules;
}

void add(std::vector<NameRule>& rules, std::initializer_list<Renamed> parts) {
  for (const Renamed& part : parts) rules.push_back({part.file, part.module});
}

std::vector<NameRule> llama_rules() {
  auto rules = in_blocks("blk.{i}.", "decoder.layers.{i}.",
                         {{"attn_norm", "input_layernorm"},
                          {"attn_q", "self_attn.q_proj"},
                          {"attn_k", "self_attn.k_proj"},
                          {"attn_v", "self_attn.v_proj"},
                          {"attn_output", "self_attn.o_proj"},
                          {"ffn_norm", "post_attention_layernorm"},
                          {"ffn_gate", "mlp.gate_proj"},
                          {"ffn_up", "mlp.up_proj"},
                          {"ffn_down", "mlp.down_proj"}});
  add(rules, {{"token_embd.weight", "decoder.embed_tokens.weight"},
              {"output_norm.weight", "decoder.norm.weight"},
              {"output.weight", "decoder.lm_head.weight"}});
  return rules;
}

std::vector<NameRule> gpt_neox_rules() {
  auto rules = in_blocks("blk.{i}.", "decoder.layers.{i}.",
                         {{"attn_norm", "input_layernorm"},
                          {"attn_qkv", "attention.query_key_value"},
                          {"attn_output", "attention.dense"},
                          {"ffn_norm", "post_attention_layernorm"},
                          {"ffn_up", "mlp.dense_h_to_4h"},
                          {"ffn_down", "mlp.dense_4h_to_h"}});
  add(rules, {{"token_embd.weight", "decoder.embed_in.weight"},
              {"output_norm.{rest}", "decoder.final_layer_norm.{rest}"},
              {"output.weight", "decoder.embed_out.weight"}});
  return rules;
}

std::vector<NameRule> mpt_rules() {
  auto rules = in_blocks("blk.{i}.", "decoder.blocks.{i}.",
                         {{"attn_norm", "norm_1"},
                          {"attn_qkv", "attn.Wqkv"},
                          {"attn_q_norm", "attn.q_ln"},
                          {"attn_k_norm", "attn.k_ln"},
                          {"attn_output", "attn.out_proj"},
                          {"ffn_norm", "norm_2"},
                          {"ffn_up", "ffn.up_proj"},
                          {"ffn_down", "ffn.down_proj"}});
  add(rules, {{"token_embd.weight", "decoder.wte.weight"},
              {"position_embd.weight", "decoder.wpe.weight"},
              {"output_norm.{rest}", "decoder.norm_f.{rest}"},
              {"output.weight", "decoder.lm_head.weight"}});
  return rules;
}

}  // namespace

formats::NameMap gguf_language_names(std::string_view model_type) {
  if (model_type == "gpt_neox") return formats::NameMap(gpt_neox_rules());
  if (model_type == "mpt") return formats::NameMap(mpt_rules());
  ISTHMUS_CHECK(model_type == "llama" || model_type == "mistral", std::string(model_type));
  return formats::NameMap(llama_rules());
}

formats::NameMap gguf_projector_names(bool linear, bool swapped) {
  auto rules = in_blocks("v.blk.{i}.", "encoder.encoder.layers.{i}.",
                         {{"attn_q", "self_attn.q_proj"},
                          {"attn_k", "self_attn.k_proj"},
                          {"attn_v", "self_attn.v_proj"},
                          {"attn_out", "self_attn.out_proj"},
                          {"ln1", "layer_norm1"},
                          {"ln2", "layer_norm2"},
                          {swapped ? "ffn_down" : "ffn_up", "mlp.fc1"},
                          {swapped ? "ffn_up" : "ffn_down", "mlp.fc2"}});
  add(rules, {{"v.class_embd", "encoder.embeddings.class_embedding"},
              {"v.patch_embd.weight", "encoder.embeddings.patch_embedding.weight"},
              {"v.position_embd.weight", "encoder.embeddings.position_embedding.weight"},
              {"v.pre_ln.{rest}", "encoder.pre_layrnorm.{rest}"},
              {"v.post_ln.{rest}", "encoder.post_layernorm.{rest}"},
              {"model.image_newline", "aligner.image_newline"},
              {linear ? "mm.0.{rest}" : "mm.{i}.{rest}",
               linear ? "aligner.projector.{rest}" : "aligner.projector.{i}.{rest}"}});
  return formats::NameMap(std::move(rules));
}

}  // namespace isthmus::layout
