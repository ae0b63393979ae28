// The report of `isthmus compare`: as a page, as JSON, and as a table for the terminal.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "compare_measure.h"

namespace isthmus::cli {

// All that is reported.
struct Comparison {
  recipe::Recipe recipe;  // of any contestant: what is said of data and budget is the same
  FrozenParts frozen;
  std::vector<ShownQuestion> questions;
  std::vector<Measured> measured;
  std::vector<Pair> pairs;
  int threads = 0;
};

// One self-contained file, written whole or not at all. Throws ResourceError.
void write_comparison_page(const std::filesystem::path& file, const Comparison& comparison);
nlohmann::ordered_json comparison_as_json(const Comparison& comparison);
std::string comparison_as_text(const Comparison& comparison);

}  // namespace isthmus::cli
