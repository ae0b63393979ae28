// Names of a language model's tensors: as published files spell them, and as the module tree spells
// them below `decoder.`.
//
// The module tree keeps one published spelling for each kind of decoder:
//   LLaMA, Mistral    below `model.`: embed_tokens, layers.{i}.…, norm; and lm_head
//   MPT, MosaicGPT    below `transformer.`: wte, wpe, blocks.{i}.{norm_1, attn.{Wqkv, q_ln, k_ln,
//                     out_proj}, norm_2, ffn.{up_proj, down_proj}}, norm_f; and lm_head
//   GPT-NeoX          below `gpt_neox.`: embed_in, layers.{i}.{input_layernorm,
//                     post_attention_layernorm, attention.{query_key_value, dense},
//                     mlp.{dense_h_to_4h, dense_4h_to_h}}, final_layer_norm; and embed_out
//   OPT               below `model.decoder.`: embed_tokens, embed_positions, project_in,
//                     project_out, layers.{i}.{self_attn.{q,k,v,out}_proj, self_attn_layer_norm,
//                     fc1, fc2, final_layer_norm}, final_layer_norm; and lm_head
// A head that is tied to the embedding has no name of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_view.h"
#include "formats/name_map.h"

namespace isthmus::layout {

// The names of one language model's files. What `ignores` says of a file name is not part of the
// model, whatever the rules say: buffers that are computed, and the copy of a tied head.
struct DecoderNames {
  std::vector<formats::NameRule> rules;
  bool (*ignores)(std::string_view file_name);
  std::string blocks;  // file name of the list of decoder blocks: "transformer.blocks"
  // Module names of the matrices with one row per token: the embedding, then the head unless tied.
  std::vector<std::string> vocabulary;
  // The file name under which transformers registers a tied head a second time; "": it does not.
  std::string tied_head = {};

  formats::NameMap map() const { return formats::NameMap(rules); }
};

// `model_type` and `config` as in config.json; `prefix` stands in front of every file name
// ("lang_encoder."). Throws UnsupportedError naming a model_type there is no decoder for.
DecoderNames decoder_names(std::string_view model_type, const JsonView& config,
                           const std::string& prefix = "");

}  // namespace isthmus::layout
