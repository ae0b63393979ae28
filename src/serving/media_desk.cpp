#include "serving/media_desk.h"

#include <algorithm>

namespace isthmus::serving {

std::shared_ptr<const engine::CachedMedia> MediaDesk::load(const families::MediaSource& source) {
  auto medium = loader_.load(std::span(&source, 1), nullptr).front();
  ++queries_;
  if (medium->id <= newest_) ++hits_;
  newest_ = std::max(newest_, medium->id);
  return medium;
}

}  // namespace isthmus::serving
