// Encoded media of late requests, so that asking again about one costs nothing.
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "base/content_hash.h"
#include "families/family.h"

namespace isthmus::engine {

class MediaDisk;

struct CachedMedia {
  int64_t id;                     // unique to the content
  ContentHash hash;               // identity_of; zero for what is not kept
  modalities::Prepared prepared;  // without its values, unless the medium was traced
  families::EncodedMedia encoded;
};

// Features, soft tokens or latents, and cross-attention keys and values by the bytes of the file.
// The cache belongs to one engine, so preprocessing and weights are the same for all entries. Least
// recently used entries leave first, but never the ones a request in flight holds on to. With a
// disk, what is not in memory is looked for there, and what is inserted is kept there too. One
// thread at a time.
class MediaCache {
 public:
  explicit MediaCache(size_t capacity_bytes);
  ~MediaCache();
  std::shared_ptr<const CachedMedia> find(const ContentHash& hash);
  // A fresh id for a medium that is not, or not to be, in the cache.
  int64_t next_id() { return next_id_++; }
  void insert(std::shared_ptr<const CachedMedia> media);
  // Forgets what is in memory; what lies on disk stays.
  void clear();
  size_t bytes() const { return bytes_; }

  void keep_on(std::unique_ptr<MediaDisk> disk);
  const MediaDisk* disk() const { return disk_.get(); }  // null: there is none

 private:
  void hold(std::shared_ptr<const CachedMedia> media);

  size_t capacity_bytes_, bytes_ = 0;
  int64_t next_id_ = 0;
  std::list<std::shared_ptr<const CachedMedia>> entries_;  // most recent first
  std::unique_ptr<MediaDisk> disk_;
};

}  // namespace isthmus::engine
