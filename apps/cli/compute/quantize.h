// `isthmus quantize`
#pragma once

#include "../options.h"

namespace isthmus::cli {

// Writes the model as one file, its matrices held as --storage says, those of parts that it does
// not name in 8 bits. Prints what became of its size.
int quantize(const Options& options);

}  // namespace isthmus::cli
