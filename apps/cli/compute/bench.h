// `isthmus bench`: load, encode, prefill and decode, measured.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int bench(const Options& options);

}  // namespace isthmus::cli
