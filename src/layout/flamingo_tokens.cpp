#include "layout/flamingo_tokens.h"

#include <array>
#include <string>

#include "base/check.h"

namespace isthmus::layout {

namespace {

text::TokenId id_of(const text::Tokenizer& tokenizer, std::string_view token) {
  const auto id = tokenizer.find(token);
  ISTHMUS_CHECK(id, "a token that was added is missing: " + std::string(token));
  return *id;
}

}  // namespace

FlamingoTokens FlamingoTokens::load(const std::filesystem::path& folder) {
  // The reference loads AutoTokenizer, which prefers the fast one.
  const auto base = text::Tokenizer::load(folder, {.prefer_fast = true});
  const std::array media = {std::string(kEndOfChunk), std::string(kImage)};
  FlamingoTokens tokens{};
  tokens.base_size = static_cast<int64_t>(base->vocab_size());
  tokens.tokenizer = base->with_added_tokens(media);
  if (!base->pad_id()) {
    const std::array pad = {std::string(kPad)};
    tokens.tokenizer = tokens.tokenizer->with_added_tokens(pad);
  }
  tokens.endofchunk = id_of(*tokens.tokenizer, kEndOfChunk);
  tokens.image = id_of(*tokens.tokenizer, kImage);
  tokens.pad = base->pad_id() ? *base->pad_id() : id_of(*tokens.tokenizer, kPad);
  return tokens;
}

}  // namespace isthmus::layout
