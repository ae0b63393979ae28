#include "engine/media_cache.h"

namespace isthmus::engine {

std::shared_ptr<const CachedMedia> MediaCache::find(const ContentHash& hash) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if ((*entry)->hash != hash) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return entries_.front();
  }
  return nullptr;
}

void MediaCache::insert(std::shared_ptr<const CachedMedia> media) {
  bytes_ += media->encoded.bytes();
  entries_.push_front(std::move(media));
  while (bytes_ > capacity_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back()->encoded.bytes();
    entries_.pop_back();
  }
}

}  // namespace isthmus::engine
