#include "base/check.h"

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus {

void fail_check(const char* condition, const char* file, int line, const std::string& message) {
  throw InternalError(fmt::format("{}:{}: check failed: {}: {}", file, line, condition, message));
}

}  // namespace isthmus
