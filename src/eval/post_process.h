// From the text a model writes to the answer that is scored.
#pragma once

#include <string>
#include <string_view>

#include "eval/sample.h"

namespace isthmus::eval {

// A caption ends where the model begins the next one ("Output"), and has no double quotes. A short
// answer ends at "Question", "Answer" or "Short", and then at the first ", ".
// Everything else stays as it is.                                       open_flamingo/eval
std::string post_process(TaskKind kind, std::string_view generated);

}  // namespace isthmus::eval
