#include "engine/media_cache.h"

#include <utility>

#include "engine/media_disk.h"

namespace isthmus::engine {

MediaCache::MediaCache(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

MediaCache::~MediaCache() = default;

std::shared_ptr<const CachedMedia> MediaCache::find(const ContentHash& hash) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if ((*entry)->hash != hash) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return entries_.front();
  }
  auto kept = disk_ ? disk_->find(hash) : std::nullopt;
  if (!kept) return nullptr;
  hold(std::make_shared<const CachedMedia>(
      CachedMedia{next_id(), hash, std::move(kept->prepared), std::move(kept->encoded)}));
  return entries_.front();
}

void MediaCache::insert(std::shared_ptr<const CachedMedia> media) {
  if (disk_) disk_->keep(media);
  hold(std::move(media));
}

void MediaCache::hold(std::shared_ptr<const CachedMedia> media) {
  bytes_ += media->encoded.bytes();
  entries_.push_front(std::move(media));
  while (bytes_ > capacity_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back()->encoded.bytes();
    entries_.pop_back();
  }
}

void MediaCache::clear() {
  entries_.clear();
  bytes_ = 0;
}

void MediaCache::keep_on(std::unique_ptr<MediaDisk> disk) { disk_ = std::move(disk); }

}  // namespace isthmus::engine
