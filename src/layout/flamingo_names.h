// Names of OpenFlamingo's checkpoint.pt: as published and as the module tree spells them.
//
//   aligner.   resampler.    below `perceiver.`: latents, frame_embs, media_time_embs,
//                            layers.{i}.0.{norm_media, norm_latents, to_q, to_kv, to_out},
//                            layers.{i}.1.{0, 1, 3}, norm
//              cross_attention.{layer}.    below
//                            `lang_encoder.<blocks>.{layer}.gated_cross_attn_layer.`:
//                            attn.{norm, to_q, to_kv, to_out}, attn_gate, ff_gate, ff.{0, 1, 3}
//   decoder.   the language model's own tensors in the file (embeddings, sometimes more), as the
//              language model's own map spells them
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "formats/name_map.h"

namespace isthmus::layout {

// What `ignores` says of a file name is not part of the model, whatever the map says.
struct FlamingoNames {
  formats::NameMap map;
  std::function<bool(std::string_view file_name)> ignores;
};

// How the language model's own checkpoint is read: its map and what it ignores.
struct LanguageModelNames {
  formats::NameMap map;
  std::function<bool(std::string_view file_name)> ignores = {};
};

// The names of one checkpoint.pt. "module." is taken out wherever it stands in a name, as the
// reference's loader does. Gated blocks may stand at their layers, in the list of version 1
// (`lang_encoder.gated_cross_attn_layers.{layer}.`), or in both, where the list's names are
// ignored: they are the same tensors. Ignored too: copies of the language model's blocks
// (`old_decoder_blocks`), the vision encoder, and buffers (rotary_emb.inv_freq, attention.bias,
// attention.masked_bias). Without `language_model` all of the language model's tensors are ignored.
FlamingoNames flamingo_names(const formats::Checkpoint& checkpoint,
                             const LanguageModelNames* language_model = nullptr);

// What the language model's own checkpoint calls a tensor of checkpoint.pt:
//   lang_encoder.transformer.wte.weight -> transformer.wte.weight
//   lang_encoder.model.layers.3.decoder_layer.norm.weight -> model.layers.3.norm.weight
// nullopt for what does not belong to the language model, and for buffers.
std::optional<std::string> language_model_name(std::string_view file_name);

// A buffer of the language model (rotary_emb.inv_freq, …) that stands in a checkpoint.pt because it
// is not trained and no parameter either: the reference filters parameters only.
bool is_flamingo_buffer(std::string_view file_name);

}  // namespace isthmus::layout
