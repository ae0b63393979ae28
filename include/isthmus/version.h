// Version of the library.
#pragma once

#include "isthmus/export.h"

namespace isthmus {

// "0.1.0"
ISTHMUS_EXPORT const char* version() noexcept;

}  // namespace isthmus
