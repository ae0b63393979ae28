// Names of tensors in llama.cpp's files against names in the module tree.
#pragma once

#include <string_view>

#include "formats/name_map.h"

namespace isthmus::layout {

// Of a language model, by its model_type in config.json: llama, mistral, gpt_neox, mpt.
formats::NameMap gguf_language_names(std::string_view model_type);

// Of a mmproj file. `linear`: the projector is one matrix. `swapped`: has_swapped_feed_forward.
formats::NameMap gguf_projector_names(bool linear, bool swapped);

}  // namespace isthmus::layout
