// `isthmus merge`
#pragma once

#include "../options.h"

namespace isthmus::cli {

// Writes the model with everything that lies over its language model folded in. Prints the folder.
int merge(const Options& options);

}  // namespace isthmus::cli
