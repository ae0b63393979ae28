#include "text/tokenizer.h"

#include <fmt/format.h>

#include "isthmus/error.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/tokenizer_json.h"

namespace isthmus::text {

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::filesystem::path& folder,
                                                 const TokenizerOptions& options) {
  const auto model = folder / "tokenizer.model";
  const auto json = folder / "tokenizer.json";
  const bool has_model = std::filesystem::exists(model);
  const bool has_json = std::filesystem::exists(json);
  if (!has_model && !has_json)
    throw ModelError(
        fmt::format("{}: no tokenizer found; looked for tokenizer.model and tokenizer.json. "
                    "A projector-only or LoRA folder takes the tokenizer of its base model.",
                    folder.string()));
  TokenizerSettings settings = TokenizerSettings::load(folder);
  settings.file = has_json && (options.prefer_fast || !has_model) ? json : model;
  if (settings.file == json) return load_tokenizer_json(json, std::move(settings));
  if (options.prefer_fast) return load_sentencepiece_as_fast(model, std::move(settings));
  return load_sentencepiece(model, std::move(settings));
}

Tokenizer::Tokenizer(TokenTable table, TokenizerSettings settings)
    : table_(std::move(table)), settings_(std::move(settings)) {}

std::vector<TokenId> Tokenizer::encode(std::span<const TextSpan> spans, bool add_bos) const {
  MarkedText text;
  for (const TextSpan& span : spans) text.append(span.text, span.special_tokens);
  text.replace_invalid_utf8();
  std::vector<TokenId> ids;
  if (add_bos) ids = prefix_;
  encode_text(std::move(text), ids);
  if (add_bos) ids.insert(ids.end(), suffix_.begin(), suffix_.end());
  return ids;
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool add_bos) const {
  const TextSpan span{text, true};
  return encode(std::span(&span, 1), add_bos);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
  const auto machine = decoder(skip_special_tokens);
  std::string out;
  for (const TokenId id : ids) machine->push(id, out);
  machine->finish(out);
  return out;
}

std::string Tokenizer::bytes_of(TokenId id) const {
  const AddedToken* added = table_.added(id);
  if (table_.piece(id).empty() || (added != nullptr && (added->special || added->reserved())))
    return {};
  return bytes_of_piece(id);
}

bool Tokenizer::is_special(TokenId id) const {
  const AddedToken* token = table_.added(id);
  return token != nullptr && token->special;
}

TokenTable Tokenizer::add_to_table(std::span<const std::string> tokens) const {
  TokenTable table = table_;
  for (const std::string& content : tokens) {
    const auto id = table.find(content);
    if (id && table.added(*id) != nullptr) continue;
    AddedToken token;
    token.content = content;
    token.special = true;
    table.add(std::move(token));
  }
  return table;
}

}  // namespace isthmus::text
