#include "engine/conversation_cache.h"

#include <algorithm>
#include <span>

namespace isthmus::engine {

Rows ConversationCache::rows(const families::Sequence& sequence, families::LateMarker late_marker,
                             int64_t overlap) {
  if (!cache_ || !family_.reuses_prefix()) {
    keys_.clear();
    cache_ = family_.new_cache(1, family_.context_length());
  }
  // The last row is always computed: its hidden state chooses the first token. There are more keys
  // than positions where computing broke off.
  const size_t shorter =
      std::min({keys_.size(), sequence.row_keys.size() - 1, static_cast<size_t>(cache_->length())});
  const auto differs =
      std::mismatch(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(shorter),
                    sequence.row_keys.begin());
  reused_ = differs.first - keys_.begin();
  cache_->truncate(reused_);
  keys_ = sequence.row_keys;
  // What the answer will overwrite is no part of a prefix that can be reused.
  keys_.resize(keys_.size() - static_cast<size_t>(overlap));
  return Rows(family_, std::span(&sequence, 1), cache_, late_marker, overlap);
}

void ConversationCache::forget() {
  cache_.reset();
  keys_.clear();
}

}  // namespace isthmus::engine
