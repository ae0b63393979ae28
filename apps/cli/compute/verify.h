// `isthmus verify`: replays golden cases, or those that a model's own file holds, and names the
// first stage that differs.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int verify(const Options& options);

}  // namespace isthmus::cli
