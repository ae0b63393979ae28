// `isthmus convert`
#pragma once

#include "../options.h"

namespace isthmus::cli {

// Writes the model, adapters folded in, in the files of another program. Prints the folder.
int convert(const Options& options);

}  // namespace isthmus::cli
