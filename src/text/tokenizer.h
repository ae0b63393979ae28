// Text to ids and back, for every tokenizer layout that published checkpoints use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/marked_text.h"
#include "text/token_table.h"
#include "text/tokenizer_settings.h"

namespace isthmus::text {

// `special_tokens`: may the spelling of this span become special or added tokens? False for user
// text.
struct TextSpan {
  std::string_view text;
  bool special_tokens;
};

// Ids to text, one id at a time. Everything appended by push() and finish(), joined, is what
// Tokenizer::decode gives for all ids at once; nothing appended is ever taken back, so text whose
// form still depends on later ids is held: incomplete characters always, and where the reference
// decodes a run of byte pieces as a whole, that run. For one thread, and not beyond the life of its
// tokenizer.
class IncrementalDecoder {
 public:
  virtual ~IncrementalDecoder() = default;
  virtual void push(TokenId id, std::string& out) = 0;
  virtual void finish(std::string& out) = 0;
};

struct TokenizerOptions {
  // True: tokenizer.json if it is there, else tokenizer.model with the rules of transformers' fast
  // tokenizers (of unigram models, which have no fast form here, those of the slow ones). False:
  // tokenizer.model with the rules of the slow (Python) ones if it is there, else tokenizer.json.
  bool prefer_fast = false;
};

// Immutable; any thread may use it.
class Tokenizer {
 public:
  // Reads a folder: tokenizer.model or tokenizer.json, with tokenizer_config.json,
  // special_tokens_map.json and added_tokens.json where present. ModelError when neither is there
  // (lists what was looked for) or a file is broken; UnsupportedError naming the component that
  // this build does not know.
  static std::shared_ptr<const Tokenizer> load(const std::filesystem::path& folder,
                                               const TokenizerOptions& options = {});
  virtual ~Tokenizer() = default;

  // Ids of the spans joined into one string: merges run across the borders, but a reserved token
  // (see AddedToken) is recognised only where it lies wholly inside spans that allow it. Invalid
  // UTF-8 becomes U+FFFD. `add_bos`: also what the tokenizer adds around one text by itself, which
  // is BOS unless its files say otherwise (add_bos_token, add_eos_token, the post-processor of
  // tokenizer.json).
  std::vector<TokenId> encode(std::span<const TextSpan> spans, bool add_bos) const;
  // One span that may contain special tokens: text of our own, never of a user.
  std::vector<TokenId> encode(std::string_view text, bool add_bos) const;

  // Ids outside the vocabulary decode to nothing. `skip_special_tokens` drops special tokens.
  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens) const;
  virtual std::unique_ptr<IncrementalDecoder> decoder(bool skip_special_tokens) const = 0;
  // What a token spells within a text, which may be a part of a character; "" for special tokens,
  // others that user text cannot spell, and ids that stand for nothing.
  std::string bytes_of(TokenId id) const;

  // A copy in which each of these is a token that text is split at; missing ones are added as
  // special tokens behind the vocabulary, in this order.
  virtual std::shared_ptr<const Tokenizer> with_added_tokens(
      std::span<const std::string> tokens) const = 0;

  // The file of the vocabulary.
  const std::filesystem::path& file() const { return settings_.file; }
  std::optional<TokenId> find(std::string_view token) const { return table_.find(token); }
  std::string piece(TokenId id) const { return table_.piece(id); }
  size_t vocab_size() const { return static_cast<size_t>(table_.size()); }  // with added tokens
  bool is_special(TokenId id) const;
  std::optional<TokenId> bos_id() const { return settings_.bos_id; }
  std::optional<TokenId> eos_id() const { return settings_.eos_id; }
  std::optional<TokenId> pad_id() const { return settings_.pad_id; }
  std::optional<TokenId> unk_id() const { return settings_.unk_id; }
  // The setting `legacy` of tokenizer_config.json (absent: true). Label masks of training depend on
  // it.
  bool legacy() const { return settings_.legacy; }
  // The Jinja chat template found in the folder (chat_template.jinja, chat_template.json or in
  // tokenizer_config.json), "" if there is none.
  const std::string& chat_template() const { return settings_.chat_template; }

 protected:
  Tokenizer(TokenTable table, TokenizerSettings settings);
  virtual void encode_text(MarkedText text, std::vector<TokenId>& ids) const = 0;
  // bytes_of() a token that has a piece and is no special one.
  virtual std::string bytes_of_piece(TokenId id) const = 0;
  TokenTable add_to_table(std::span<const std::string> tokens) const;

  TokenTable table_;
  TokenizerSettings settings_;
  std::vector<TokenId> prefix_, suffix_;  // around a text when add_bos is asked for
};

}  // namespace isthmus::text
