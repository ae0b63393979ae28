#include "text/token_table.h"

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::text {

TokenTable::TokenTable(std::vector<std::string> pieces, std::string source)
    : pieces_(std::move(pieces)),
      model_size_(static_cast<TokenId>(pieces_.size())),
      source_(std::move(source)) {
  ids_.reserve(pieces_.size());
  for (size_t id = 0; id < pieces_.size(); ++id)
    if (!pieces_[id].empty()) ids_.emplace(pieces_[id], static_cast<TokenId>(id));
}

void TokenTable::add(AddedToken token) {
  if (token.content.empty())
    throw ModelError(fmt::format("{}: an added token without text", source_));
  if (token.id < 0) {
    const auto known = find(token.content);
    token.id = known ? *known : size();
  }
  if (token.id > kMaxId)
    throw ModelError(fmt::format("{}: added token \"{}\" has the id {}, expected at most {}",
                                 source_, token.content, token.id, kMaxId));
  const auto index = static_cast<size_t>(token.id);
  if (index >= pieces_.size()) pieces_.resize(index + 1);
  if (pieces_[index].empty()) {
    pieces_[index] = token.content;
  } else if (pieces_[index] != token.content) {
    throw ModelError(fmt::format("{}: added token \"{}\" has the id {}, which belongs to \"{}\"",
                                 source_, token.content, token.id, pieces_[index]));
  }
  ids_[token.content] = token.id;
  const auto [entry, inserted] = added_index_.try_emplace(token.id, added_.size());
  if (inserted)
    added_.push_back(std::move(token));
  else
    added_[entry->second] = std::move(token);
}

std::optional<TokenId> TokenTable::find(std::string_view spelling) const {
  const auto found = ids_.find(std::string(spelling));
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

const AddedToken* TokenTable::added(TokenId id) const {
  const auto found = added_index_.find(id);
  return found == added_index_.end() ? nullptr : &added_[found->second];
}

const std::string& TokenTable::piece(TokenId id) const {
  static const std::string kNone;
  return id >= 0 && id < size() ? pieces_[static_cast<size_t>(id)] : kNone;
}

}  // namespace isthmus::text
