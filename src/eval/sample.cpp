#include "eval/sample.h"

namespace isthmus::eval {

std::string_view name_of(TaskKind kind) {
  switch (kind) {
    case TaskKind::kCaptioning: return "captioning";
    case TaskKind::kVqa: return "vqa";
    case TaskKind::kClassification: return "classification";
  }
  return "";
}

const std::string& Sample::answer() const { return references.empty() ? label : references[0]; }

}  // namespace isthmus::eval
