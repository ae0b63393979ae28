// The module tree of a Flamingo, as its reference implementation (open_flamingo 2.0.1 with
// open_clip 2.20) prints it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json_view.h"
#include "layout/flamingo_config.h"
#include "layout/module_tree.h"
#include "layout/open_clip_config.h"

namespace isthmus::layout {

// `model_type`, `language_model`: the language model's config.json; `vocab_size`: rows of its
// embedding after it was resized to the tokenizer's length. Names of parameters are those of the
// files below `vision_encoder.`, `perceiver.` and `lang_encoder.`, with decoder blocks below
// `decoder_layer` and the gated block before one below `gated_cross_attn_layer`. The reference
// lists both a second time (`old_decoder_blocks`, `gated_cross_attn_layers`); the copies own no
// parameters.
ModuleNode flamingo_module_tree(const FlamingoConfig& config, const OpenClipVisionConfig& vision,
                                std::string_view model_type, const JsonView& language_model,
                                int64_t vocab_size);

// The tower as open_clip prints it: VisionTransformer.
ModuleNode open_clip_module_tree(const OpenClipVisionConfig& vision);

// The module name ("aligner.cross_attention.3.attn_gate") of every parameter of the tree, with its
// shape, in the tree's order: what the files together must hold. Arguments as above.
std::vector<ModuleNode::Parameter> expected_parameters(const FlamingoConfig& config,
                                                       const OpenClipVisionConfig& vision,
                                                       std::string_view model_type,
                                                       const JsonView& language_model,
                                                       int64_t vocab_size);

}  // namespace isthmus::layout
