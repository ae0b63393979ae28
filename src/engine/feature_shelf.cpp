#include "engine/feature_shelf.h"

#include <algorithm>

namespace isthmus::engine {

std::optional<families::MediaFeatures> FeatureShelf::find(const ContentHash& key) {
  const auto entry = std::ranges::find_if(entries_, [&](const auto& e) { return e.first == key; });
  if (entry == entries_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->second;
}

void FeatureShelf::insert(const ContentHash& key, const families::MediaFeatures& features) {
  bytes_ += features.values.nbytes();
  entries_.emplace_front(key, features);
  while (bytes_ > capacity_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().second.values.nbytes();
    entries_.pop_back();
  }
}

}  // namespace isthmus::engine
