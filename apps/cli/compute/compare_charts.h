// Curves and bars of a comparison.
#pragma once

#include <string>

#include "compare_measure.h"

namespace isthmus::cli {

// Quality and loss over steps; FLOPs, time, memory and rows, a bar for each aligner. HTML.
std::string comparison_charts(const Comparison& comparison);

}  // namespace isthmus::cli
