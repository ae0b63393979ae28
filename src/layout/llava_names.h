// Names of a LLaVA's tensors: as each published layout spells them, and as the module tree spells
// them.
//
// The module tree keeps the published names below three prefixes:
//   encoder.   below `vision_model.`:  embeddings.{class_embedding, patch_embedding.weight,
//              position_embedding.weight}, pre_layrnorm.{weight,bias},
//              encoder.layers.{i}.{self_attn.{q,k,v,out}_proj, layer_norm1, layer_norm2, mlp.fc1,
//              mlp.fc2}.{weight,bias}, post_layernorm.{weight,bias}
//   aligner.   projector.{weight,bias} (linear) or projector.{0,2,4,…}.{weight,bias} (mlpNx_gelu),
//   image_newline decoder.   below `model.`: embed_tokens.weight,
//   layers.{i}.{self_attn.{q,k,v,o}_proj, mlp.{gate,up,down}_proj,
//              input_layernorm, post_attention_layernorm}.weight, norm.weight; and lm_head.weight
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/checkpoint.h"
#include "formats/name_map.h"
#include "layout/llava_config.h"

namespace isthmus::layout {

// The names of one kind of file. What `ignores` says of a file name is not part of the model,
// whatever the map says.
struct LlavaNames {
  formats::NameMap map;
  bool (*ignores)(std::string_view file_name);
};

// Original layout, plain LLaMA and Mistral folders, mm_projector.bin, and non_lora_trainables.bin
// once its prefixes are stripped. Ignored: rotary_emb.inv_freq, position_ids.
// `prefix` stands in front of every file name.
LlavaNames original_names(const std::string& prefix = "");

// A CLIP folder of its own. Ignored: the text model, the projections, logit_scale, position_ids.
LlavaNames vision_tower_names();

// llava-hf/*: `language_model.model.layers…`, or, as transformers 4.52 and later save them,
// `model.language_model.layers…`.
LlavaNames hugging_face_names(bool nested_under_model);

// PEFT's adapter: base_model.model.model.layers.{i}.self_attn.q_proj.lora_A.weight ->
// decoder.layers.{i}.self_attn.q_proj.lora_A.weight.
LlavaNames adapter_names();

// The names that fit a checkpoint of this layout; the spelling of the Hugging Face layouts is read
// off its tensors.
LlavaNames names_for(LlavaLayout layout, const formats::Checkpoint& checkpoint);

// Names of non_lora_trainables.bin in the original layout, index by index: a leading `base_model.`
// goes; if any then starts with `model.model.`, one leading `model.` goes from every name that has
// it.       builder.py
std::vector<std::string> strip_non_lora_prefixes(std::span<const std::string> names);

// The names of non_lora_trainables.bin as they stand in the file; what is stripped is the same for
// all.
LlavaNames non_lora_names(std::span<const std::string> names);

// Whether the checkpoint brings its own vision tower (LLaVA 1.6, llava-hf), which then replaces the
// separate one.
bool holds_vision_tower(LlavaLayout layout, const formats::Checkpoint& checkpoint);

}  // namespace isthmus::layout
