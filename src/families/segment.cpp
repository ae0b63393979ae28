#include "families/segment.h"

namespace isthmus::families {

void append(std::vector<Segment>& segments, int64_t id, bool is_target) {
  auto* text = segments.empty() ? nullptr : std::get_if<TextSegment>(&segments.back());
  if (text == nullptr || text->is_target != is_target) {
    segments.push_back(TextSegment{{}, is_target});
    text = &std::get<TextSegment>(segments.back());
  }
  text->ids.push_back(id);
}

}  // namespace isthmus::families
