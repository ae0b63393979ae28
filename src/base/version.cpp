#include "isthmus/version.h"

namespace isthmus {

const char* version() noexcept { return ISTHMUS_VERSION; }

}  // namespace isthmus
