// `isthmus describe`: what a checkpoint is, read from its headers alone.
#pragma once

#include "options.h"

namespace isthmus::cli {

int describe(const Options& options);

}  // namespace isthmus::cli
