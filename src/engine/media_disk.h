// Encoded media on disk, so that a restart does not encode them anew.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/disk_cache.h"
#include "engine/media_bytes.h"
#include "engine/media_cache.h"
#include "families/family.h"

namespace isthmus::engine {

// All that decides what media become in this model but the media themselves: the weights of encoder
// and aligner (nn::add_weights), their files' sizes and times, how media are prepared, the kernels,
// and the version of this program.
ContentHash media_identity(families::Family& family);

// What media of one model became, by identity_of and media_identity. One thread at a time.
class MediaDisk {
 public:
  // The weights are those of this moment. Several models may share `files`.
  MediaDisk(families::Family& family, std::shared_ptr<DiskCache> files);

  std::optional<KeptMedium> find(const ContentHash& identity);
  // Written later, and only if it is known by its content.
  void keep(std::shared_ptr<const CachedMedia> medium);
  int64_t queries() const { return queries_; }
  int64_t hits() const { return hits_; }

 private:
  ContentHash key_of(const ContentHash& identity) const;

  std::shared_ptr<DiskCache> files_;
  ContentHash model_;
  int64_t queries_ = 0, hits_ = 0;
};

}  // namespace isthmus::engine
