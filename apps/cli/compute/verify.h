// `isthmus verify`: replays golden cases and names the first stage that differs.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int verify(const Options& options);

}  // namespace isthmus::cli
