// Errors of Isthmus. Every message says where (file, tensor, field), what is wrong with both
// values, and what to do when that is known.
#pragma once

#include <stdexcept>
#include <string>

#include "isthmus/export.h"

namespace isthmus {

// Base of all errors thrown by the library. `exit_code()` is what the command line returns for it.
class ISTHMUS_EXPORT Error : public std::runtime_error {
 public:
  Error(const std::string& message, int exit_code)
      : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

// A flag or a request field is wrong.
class ISTHMUS_EXPORT UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, 2) {}
};

// A user's image, sound, or JSON line cannot be used.
class ISTHMUS_EXPORT InputError : public Error {
 public:
  explicit InputError(const std::string& message) : Error(message, 3) {}
};

// A config or checkpoint is broken, incomplete, or contradicts itself.
class ISTHMUS_EXPORT ModelError : public Error {
 public:
  explicit ModelError(const std::string& message) : Error(message, 4) {}
};

// Well-formed, but not something this build does.
class ISTHMUS_EXPORT UnsupportedError : public Error {
 public:
  explicit UnsupportedError(const std::string& message) : Error(message, 5) {}
};

// Memory, disk, or context length is exhausted.
class ISTHMUS_EXPORT ResourceError : public Error {
 public:
  explicit ResourceError(const std::string& message) : Error(message, 6) {}
};

// A broken invariant: our bug. The message carries file and line.
class ISTHMUS_EXPORT InternalError : public Error {
 public:
  explicit InternalError(const std::string& message) : Error(message, 70) {}
};

}  // namespace isthmus
