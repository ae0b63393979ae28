// The report of `isthmus compare` as a page.
#pragma once

#include <filesystem>

#include "compare_measure.h"

namespace isthmus::cli {

// One self-contained file, written whole or not at all. Throws ResourceError.
void write_comparison_page(const std::filesystem::path& file, const Comparison& comparison);

}  // namespace isthmus::cli
