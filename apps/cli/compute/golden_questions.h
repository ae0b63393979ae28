// A few short questions that can be asked any model, about media that are computed.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/record_golden.h"
#include "families/family.h"

namespace isthmus::cli {

// One without media and one about each kind that the model takes; their files are written into
// `folder`. A kind of which nothing can be made up is left out, and said.
std::vector<engine::GoldenQuestion> golden_questions(const families::Family& family,
                                                     const std::filesystem::path& folder);

}  // namespace isthmus::cli
