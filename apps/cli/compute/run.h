// `isthmus run`: one answer, or a conversation.
#pragma once

#include "../options.h"

namespace isthmus::cli {

int run(const Options& options);

}  // namespace isthmus::cli
