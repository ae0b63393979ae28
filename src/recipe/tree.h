// A recipe as YAML, before it is read. Of this folder only.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "recipe/recipe.h"

namespace isthmus::recipe {

// The file with `sets` on top. Throws UsageError where it cannot be opened, is no YAML, or has no
// place for a value that is set.
YAML::Node read_tree(const std::filesystem::path& file, const std::vector<std::string>& sets);
// Throws UsageError with everything that is wrong.
Recipe recipe_of(const YAML::Node& root, const std::filesystem::path& file);

}  // namespace isthmus::recipe
