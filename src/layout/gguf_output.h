// Metadata of GGUF files to be written, in llama.cpp's words; the other way of gguf_config.h.
#pragma once

#include <string>
#include <vector>

#include "formats/gguf_writer.h"
#include "layout/llava_config.h"
#include "modalities/clip_image.h"

namespace isthmus::layout {

// Of the language model; `conversation_template` is said in a key of our own. Throws
// UnsupportedError, naming the key of config.json, for what llama.cpp does not compute: dynamic
// rotary scaling.
std::vector<formats::GgufEntry> gguf_language_entries(const LlavaConfig& config,
                                                      const std::string& name,
                                                      const std::string& conversation_template);

// Of the mmproj file. Throws UnsupportedError for what llama.cpp does not compute: the class token
// among the features, <im_start> around pictures, a projector that is no matrix or more than two,
// pictures that are prepared otherwise.
std::vector<formats::GgufEntry> gguf_vision_entries(const LlavaConfig& config,
                                                    const ClipVisionConfig& tower,
                                                    const modalities::ClipImageConfig& image,
                                                    const std::string& name);

// The blocks of the tower up to the one whose features are taken: what lies behind is not written.
int64_t feature_blocks(const LlavaConfig& config, const ClipVisionConfig& tower);

}  // namespace isthmus::layout
