// Names of a OneLLM's tensors: as published and as the module tree spells them.
//
//   decoder.   Meta's names of LLaMA (tok_embeddings, layers.{i}.attention.wq, …) as
//              decoder_names.h spells them (embed_tokens, layers.{i}.self_attn.q_proj, …)
//   encoder.   below `clip.visual.`, as open_clip_names.h; and
//              tokenizers.{modality}.{weight,bias} from `conv1.`,
//              tokenizers.{modality}.positional_embedding from `positional_embedding.`
//   aligner.   experts.{e}.{i}.… from `resample_layers.`; resample_tokens, clip_proj1, clip_proj2,
//              routers, start_tag, end_tag as published
// all below `llma.` in OneLLM's files, without it in Meta's own.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/name_map.h"
#include "layout/onellm_modality.h"

namespace isthmus::layout {

// What `ignores` says of a file name is not part of the model: tables of angles, the text half of
// CLIP, the projection of its class token.
struct OneLlmNames {
  formats::NameMap map;
  std::function<bool(std::string_view file_name)> ignores;
};

// `prefix` as onellm_prefix tells it.
OneLlmNames onellm_names(const std::string& prefix, std::span<const ModalityConfig> modalities);

// The dimension along which fairscale's layers cut a tensor of this name; nothing: every rank has
// all of it.
std::optional<size_t> onellm_cut_axis(std::string_view file_name);

}  // namespace isthmus::layout
