// Writes a LLaVA, or the language model alone, for llama.cpp.
#pragma once

#include <filesystem>

#include "families/llava/llava.h"
#include "families/llava/save.h"
#include "families/output.h"

namespace isthmus::families::llava {

// model.gguf and, with a tower, mmproj.gguf, as Family::save_gguf. Low-rank branches are folded in;
// blocks of the tower behind the features that are used are left out, as llama.cpp's own converter
// does.
void save_gguf(LlavaModules& modules, const LlavaSettings& settings, const LlavaOrigin& origin,
               const std::filesystem::path& folder, GgufStorage storage);

}  // namespace isthmus::families::llava
