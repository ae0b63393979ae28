// Ids and spellings: the model's vocabulary, the tokens added to it, and the special ones among
// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"

namespace isthmus::text {

class TokenTable {
 public:
  static constexpr TokenId kMaxId = (TokenId{1} << 24) - 1;

  TokenTable() = default;
  // `pieces[id]`; an empty string is an id without a piece. `source` names the file in messages.
  TokenTable(std::vector<std::string> pieces, std::string source);

  // Adds or replaces. Without an id: that of the piece spelt so, else the next free one. ModelError
  // when the id belongs to another token or is out of range.
  void add(AddedToken token);

  std::optional<TokenId> find(std::string_view spelling) const;  // added tokens first
  const AddedToken* added(TokenId id) const;                     // nullptr for ordinary pieces
  const std::vector<AddedToken>& added() const { return added_; }
  // "" when no token has this id.
  const std::string& piece(TokenId id) const;
  TokenId size() const { return static_cast<TokenId>(pieces_.size()); }
  TokenId model_size() const {
    return model_size_;
  }  // without the tokens added behind the vocabulary

 private:
  std::vector<std::string> pieces_;
  TokenId model_size_ = 0;
  std::unordered_map<std::string, TokenId> ids_;
  std::vector<AddedToken> added_;
  std::unordered_map<TokenId, size_t> added_index_;
  std::string source_;
};

}  // namespace isthmus::text
