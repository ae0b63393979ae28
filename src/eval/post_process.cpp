#include "eval/post_process.h"

#include <algorithm>

namespace isthmus::eval {
namespace {

std::string_view before(std::string_view text, std::string_view mark) {
  return text.substr(0, text.find(mark));
}

}  // namespace

std::string post_process(TaskKind kind, std::string_view generated) {
  if (kind == TaskKind::kClassification) return std::string(generated);
  if (kind == TaskKind::kVqa) {
    for (const char* mark : {"Question", "Answer", "Short", ", "})
      generated = before(generated, mark);
    return std::string(generated);
  }
  std::string caption(before(generated, "Output"));
  std::erase(caption, '"');
  return caption;
}

}  // namespace isthmus::eval
