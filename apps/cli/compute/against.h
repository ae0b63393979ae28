// `isthmus eval --against`
#pragma once

#include "../options.h"

namespace isthmus::cli {

// The model as --storage holds it, held against another storage of it, or another model with the
// same vocabulary. Prints a table, or JSON.
int eval_against(const Options& options);

}  // namespace isthmus::cli
