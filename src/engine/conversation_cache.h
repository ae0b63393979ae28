// Keys and values of the last conversation.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/rows.h"
#include "families/family.h"
#include "families/sequence_builder.h"
#include "nn/kv_cache.h"

namespace isthmus::engine {

// A prompt that begins as the last conversation did computes only what is new. One thread at a
// time.
class ConversationCache {
 public:
  explicit ConversationCache(families::Family& family) : family_(family) {}

  // The sequence behind what is kept of it: its last row, and whatever differs, is to be computed.
  // `overlap` as in Rows. What rows of an earlier call hold is lost.
  Rows rows(const families::Sequence& sequence, families::LateMarker late_marker, int64_t overlap);
  // Positions of the last sequence that were there already.
  int64_t reused() const { return reused_; }
  // The rows hold a further position that stays, of this key (Sequence::key_after).
  void append(int64_t key) { keys_.push_back(key); }
  void forget();

 private:
  families::Family& family_;
  std::shared_ptr<nn::KvCache> cache_;
  std::vector<int64_t> keys_;  // of the positions in cache_
  int64_t reused_ = 0;
};

}  // namespace isthmus::engine
