// `isthmus eval`: scores of a model over shots.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int eval(const Options& options);

}  // namespace isthmus::cli
