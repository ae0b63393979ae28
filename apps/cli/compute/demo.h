// `isthmus demo`
#pragma once

#include "../options.h"

namespace isthmus::cli {

// The models that come with Isthmus answer about inputs of all eight modalities that nobody ever
// learnt from, before their aligners were trained and after: on the terminal, and as one HTML page.
int demo(const Options& options);

}  // namespace isthmus::cli
