// Encoded media of late requests, so that asking again about one costs nothing.
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "base/content_hash.h"
#include "families/family.h"

namespace isthmus::engine {

struct CachedMedia {
  int64_t id;                     // unique to the content
  ContentHash hash;               // identity_of; zero for what is not kept
  modalities::Prepared prepared;  // without its values, unless the medium was traced
  families::EncodedMedia encoded;
};

// Features, soft tokens or latents, and cross-attention keys and values by the bytes of the file.
// The cache belongs to one engine, so preprocessing and weights are the same for all entries. Least
// recently used entries leave first, but never the ones a request in flight holds on to. One
// thread at a time.
class MediaCache {
 public:
  explicit MediaCache(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}
  std::shared_ptr<const CachedMedia> find(const ContentHash& hash);
  // A fresh id for a medium that is not, or not to be, in the cache.
  int64_t next_id() { return next_id_++; }
  void insert(std::shared_ptr<const CachedMedia> media);
  size_t bytes() const { return bytes_; }

 private:
  size_t capacity_bytes_, bytes_ = 0;
  int64_t next_id_ = 0;
  std::list<std::shared_ptr<const CachedMedia>> entries_;  // most recent first
};

}  // namespace isthmus::engine
