// `isthmus quantize`
#pragma once

#include "../options.h"

namespace isthmus::cli {

// Writes the model as one file, its matrices held as --storage says; without it the decoder in 4
// bits, its tables of words, encoder and aligner in 8. Prints what became of its size.
int quantize(const Options& options);

}  // namespace isthmus::cli
