// Encoded pictures of late requests, so that asking again about one costs nothing.
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "families/family.h"

namespace isthmus::engine {

struct CachedMedia {
  int64_t id;                     // unique to the content
  modalities::Prepared prepared;  // compared in full: two pictures never share an entry by accident
  families::EncodedMedia encoded;
};

// Least recently used entries leave first. One thread at a time.
class MediaCache {
 public:
  explicit MediaCache(size_t capacity) : capacity_(capacity) {}
  std::shared_ptr<const CachedMedia> find(const modalities::Prepared& prepared);
  std::shared_ptr<const CachedMedia> insert(modalities::Prepared prepared,
                                            families::EncodedMedia encoded);

 private:
  size_t capacity_;
  int64_t next_id_ = 0;
  std::list<std::shared_ptr<const CachedMedia>> entries_;  // most recent first
};

}  // namespace isthmus::engine
