// One sequence behind the language model: a prompt and what was said after it, read in pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <torch/types.h>

#include "engine/media_cache.h"
#include "families/family.h"
#include "families/sequence_builder.h"
#include "nn/page_pool.h"
#include "serving/prefix_cache.h"

namespace isthmus::serving {
using torch::Tensor;

// What a question became; shared by all its answers.
struct Prompt {
  std::vector<families::Segment> segments;
  std::vector<std::shared_ptr<const engine::CachedMedia>> media;
  families::Sequence sequence;
  families::LateMarker late_marker;
  int64_t overlap;     // families::Family::decode_overlap
  bool shares_prefix;  // families::Family::reuses_prefix
  int64_t late_id;     // the marker that late_marker speaks of
  int64_t model = 0;   // Variant::model
};

// Rows stand at positions from 0. Until the prompt is read they are those of the prompt; then its
// last `overlap` rows are gone, and the tokens follow in their place. What is read lies in pages,
// and may be forgotten and read again. One thread at a time.
class Reading {
 public:
  Reading(std::shared_ptr<const Prompt> prompt, nn::PagedCache cache);

  const Prompt& prompt() const { return *prompt_; }
  int64_t length() const { return cache_.length(); }  // rows read
  int64_t unread() const { return known() - length(); }
  bool prompt_read() const { return prompt_read_; }
  nn::PagedCache& cache() { return cache_; }

  // Of the next `rows` unread rows: [rows, hidden_size], and how many media begin at or before
  // each.
  Tensor embeddings(decoders::LanguageModel& model, int64_t rows) const;
  std::vector<int64_t> media_index(int64_t rows) const;

  // All rows of the prompt are read, and the first token is about to be chosen.
  void finish_prompt();
  void append(int64_t token);
  // The same in pages of its own as far as they are not full; nothing where there are none left.
  std::optional<Reading> fork() const;
  // Gives up all pages. What was known still is, and is unread.
  void forget();

  // Begins with known pages; how many rows they hold. The last known row is always read: its hidden
  // state chooses the next token.
  int64_t begin_with(PrefixCache& prefixes);
  // Full pages become known to others.
  void publish(PrefixCache& prefixes);

 private:
  int64_t known() const { return kept() + static_cast<int64_t>(tokens_.size()); }
  int64_t kept() const;  // rows of the prompt

  std::shared_ptr<const Prompt> prompt_;
  nn::PagedCache cache_;
  bool prompt_read_ = false;
  std::vector<int64_t> tokens_, token_media_;  // the latter: media_index of each
  int64_t markers_;                            // so far
  // Of the rows that stay, up to the first that equals no other.
  std::vector<int64_t> keys_;
  bool keys_end_ = false;
  int64_t published_ = 0;  // pages
};

}  // namespace isthmus::serving
