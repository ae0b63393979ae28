// Metadata of llama.cpp's files in the words of config.json.
#pragma once

#include <nlohmann/json.hpp>

#include "formats/gguf.h"

namespace isthmus::layout {

// Not a weight of a module: it goes into the config.
inline constexpr const char* kGgufRopeFactors = "rope_freqs.weight";

// model_type and all else of a language model's config.json. Throws as GgufModel::open.
nlohmann::json gguf_language_config(const formats::GgufFile& file);

// What a mmproj file says, as three files would.
struct GgufVision {
  nlohmann::json llava;         // beside the language model's keys: mm_projector_type, …
  nlohmann::json tower;         // config.json of the tower
  nlohmann::json preprocessor;  // its preprocessor_config.json
};
GgufVision gguf_vision_config(const formats::GgufFile& file);

// Whether the feed-forward of the tower's blocks is called the wrong way round: files of the first
// converter call its first matrix ffn_down.
bool has_swapped_feed_forward(const formats::GgufFile& projector);

}  // namespace isthmus::layout
