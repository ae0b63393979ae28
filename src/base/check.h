// Checks of our own invariants. What a user or a file can get wrong has its own error type instead.
#pragma once

#include <string>

namespace isthmus {

[[noreturn]] void fail_check(const char* condition, const char* file, int line,
                             const std::string& message);

}  // namespace isthmus

#define ISTHMUS_CHECK(condition, message) \
  ((condition) ? void(0) : ::isthmus::fail_check(#condition, __FILE__, __LINE__, (message)))
