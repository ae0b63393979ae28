// Version of the library.
#pragma once

namespace isthmus {

// "0.1.0"
const char* version() noexcept;

}  // namespace isthmus
