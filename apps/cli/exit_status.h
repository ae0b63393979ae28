// From what a verb did or threw to what the shell sees.
#pragma once

#include <functional>

namespace isthmus::cli {

// Runs `verb` and returns its exit status. An error becomes "isthmus: …" on stderr and the status
// of its type; so does a standard output that could not take everything.
int exit_status_of(const std::function<int()>& verb);

}  // namespace isthmus::cli
