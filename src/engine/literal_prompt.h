// Prompts in the reference's spelling, with <image> where a picture stands.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "isthmus/input.h"

namespace isthmus::engine {

// A literal prompt: text, and a picture for each <image> in it, in order. `tokens`: spellings that
// become special tokens. A marker beyond the pictures becomes the token <image> where `tokens` has
// it, else nothing.
std::vector<Part> split_at_markers(const std::string& text,
                                   const std::vector<std::filesystem::path>& images,
                                   size_t& next_image, std::span<const std::string> tokens = {});

}  // namespace isthmus::engine
