// `isthmus serve`: models behind HTTP.
#pragma once

#include "../options.h"

namespace isthmus::cli {

// Returns when it was told to end (SIGTERM, SIGINT) and what was under way is answered.
int serve(const Options& options);

}  // namespace isthmus::cli
