// A comparison for other programs.
#pragma once

#include <nlohmann/json.hpp>

#include "compare_measure.h"

namespace isthmus::cli {

nlohmann::ordered_json comparison_as_json(const Comparison& comparison);
}  // namespace isthmus::cli
