#include "families/segment.h"

namespace isthmus::families {

void append(std::vector<Segment>& segments, int64_t id, bool is_target, float weight) {
  auto* text = segments.empty() ? nullptr : std::get_if<TextSegment>(&segments.back());
  if (text == nullptr || text->is_target != is_target || text->weight != weight) {
    segments.push_back(TextSegment{{}, is_target, weight});
    text = &std::get<TextSegment>(segments.back());
  }
  text->ids.push_back(id);
}

}  // namespace isthmus::families
