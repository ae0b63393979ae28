// What an encoder made of late media, for several aligners that stand on it.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <utility>

#include "base/content_hash.h"
#include "families/family.h"

namespace isthmus::engine {

// Least recently used features leave first. One thread at a time.
class FeatureShelf {
 public:
  explicit FeatureShelf(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}
  std::optional<families::MediaFeatures> find(const ContentHash& key);
  void insert(const ContentHash& key, const families::MediaFeatures& features);

 private:
  size_t capacity_bytes_, bytes_ = 0;
  std::list<std::pair<ContentHash, families::MediaFeatures>> entries_;  // most recent first
};

}  // namespace isthmus::engine
