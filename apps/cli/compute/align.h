// `isthmus align`: trains the stages of a recipe.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int align(const Options& options);

}  // namespace isthmus::cli
