// What code under test complains of.
#pragma once

#include <exception>
#include <functional>
#include <string>

#include "isthmus/error.h"

namespace isthmus {

// The message of the error that `action` throws, which must be an `E`.
template <typename E = Error>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    return std::string("another type of error: ") + error.what();
  }
  return "no error";
}

}  // namespace isthmus
