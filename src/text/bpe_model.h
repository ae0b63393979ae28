// The BPE model of tokenizer.json: merges by rank over a vocabulary of strings.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json_view.h"
#include "text/sentencepiece_model.h"
#include "text/token_table.h"

namespace isthmus::text {

// Immutable after `forbid`.
class BpeModel {
 public:
  // The `model` entry of tokenizer.json. UnsupportedError names what is not BPE or not
  // deterministic.
  static BpeModel parse(const JsonView& json);
  // As transformers converts a tokenizer.model: every way to split a piece into two pieces is a
  // merge, better scores first.
  static BpeModel from_sentencepiece(const SentencePieceModel& model);
  // Pieces by id (an empty string: none) and merges "LEFT RIGHT", the first before the others.
  // `where` names the list of merges in messages.
  static BpeModel from_merges(std::vector<std::string> pieces, std::span<const std::string> merges,
                              bool ignore_merges, const std::string& where);

  const std::vector<std::string>& pieces() const { return pieces_; }  // by id
  // No text may become these ids, not even by merging.
  void forbid(TokenId id);
  // One word (the output of pre-tokenisation) to ids, appended.
  void encode(std::string_view word, std::vector<TokenId>& ids) const;

 private:
  class Rule;
  void index_pieces();
  // `list` and `index` name the entry in messages.
  void add_merge(const std::string& left, const std::string& right, const std::string& list,
                 size_t index);
  void add_merge(const std::string& both, const std::string& list, size_t index);
  std::optional<int32_t> id_of(const std::string& piece) const;

  std::vector<std::string> pieces_;
  std::unordered_map<std::string, int32_t> ids_;
  struct Merge {
    int64_t rank;
    int32_t id;
  };
  std::unordered_map<uint64_t, Merge> merges_;  // key: left id << 32 | right id
  std::vector<bool> forbidden_;
  std::optional<int32_t> unk_id_;
  std::vector<int32_t> byte_ids_;  // 256 with byte fallback (-1: no such piece), else empty
  std::string end_of_word_suffix_;
  bool fuse_unk_ = false, ignore_merges_ = false;
};

}  // namespace isthmus::text
