// The curve of score over shots, as SVG.
#pragma once

#include <string>

#include "eval/report.h"

namespace isthmus::eval {

// An <svg> element whose colours are CSS variables of the page (--line, --band, --grid, --text);
// "" if nothing was scored. Shots stand at log2(1 + k), the band is the confidence interval, small
// marks are the single seeds.
std::string score_curve(const TaskReport& task);

}  // namespace isthmus::eval
