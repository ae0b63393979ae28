#include "engine/media_cache.h"

#include <cstring>

namespace isthmus::engine {
namespace {

// Bytes, not floats: NaN must equal itself here.
bool same(const modalities::Prepared& a, const modalities::Prepared& b) {
  return a.modality == b.modality && a.shape == b.shape &&
         a.geometry.original_width == b.geometry.original_width &&
         a.geometry.original_height == b.geometry.original_height &&
         std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0;
}

}  // namespace

std::shared_ptr<const CachedMedia> MediaCache::find(const modalities::Prepared& prepared) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (!same((*entry)->prepared, prepared)) continue;
    entries_.splice(entries_.begin(), entries_, entry);
    return entries_.front();
  }
  return nullptr;
}

std::shared_ptr<const CachedMedia> MediaCache::insert(modalities::Prepared prepared,
                                                      families::EncodedMedia encoded) {
  entries_.push_front(std::make_shared<const CachedMedia>(
      CachedMedia{next_id_++, std::move(prepared), std::move(encoded)}));
  if (entries_.size() > capacity_) entries_.pop_back();
  return entries_.front();
}

}  // namespace isthmus::engine
