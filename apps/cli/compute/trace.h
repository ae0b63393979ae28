// `isthmus trace`: every stage of one answer as npy files.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int trace(const Options& options);

}  // namespace isthmus::cli
