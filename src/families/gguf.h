// Models in llama.cpp's files: a language model, or a LLaVA in two files.
#pragma once

#include <filesystem>
#include <memory>

#include "families/family.h"
#include "isthmus/model.h"

namespace isthmus::families {

// `path` as layout::is_gguf takes it; LoadOptions::vision is the mmproj file. Plain numbers are
// used where they lie in the file; blocks are repacked or quantised, a tensor at a time.
std::shared_ptr<Family> load_gguf(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace isthmus::families
