#include "text/sentencepiece_tokenizer.h"

#include "text/sentencepiece_encoder.h"
#include "text/token_decoders.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {

using PieceType = SentencePieceModel::PieceType;

std::string with_spaces(std::string_view piece) {
  std::string text;
  for (size_t i = 0; i < piece.size();) {
    const bool boundary = piece.substr(i).starts_with(kWordBoundary);
    text.push_back(boundary ? ' ' : piece[i]);
    i += boundary ? kWordBoundary.size() : 1;
  }
  return text;
}

// SentencePieceProcessor::DecodePieces, one piece at a time.
class PieceDecoder {
 public:
  // `strips_prefix`: drop the "▁" that stands for the dummy prefix.
  PieceDecoder(const SentencePieceModel& model, bool strips_prefix)
      : model_(&model), strips_prefix_(strips_prefix) {}

  void push_byte(int byte, std::string& out) {
    bytes_.push_back(static_cast<char>(byte));
    flush_bytes(false, out);
  }

  // A spelling that the model does not have (`id` -1) is output as it is, "▁" included.
  void push_piece(std::string_view piece, TokenId id, std::string& out) {
    flush_bytes(true, out);
    if (prefix_seen_ || any_text_) at_start_ = false;
    prefix_seen_ = false;
    if (id < 0) return emit(std::string(piece), out);
    const PieceType type = model_->pieces[static_cast<size_t>(id)].type;
    if (type == PieceType::kControl) return;
    if (type == PieceType::kUnknown) return emit(model_->unk_surface, out);
    if (at_start_ && (strips_prefix_ || model_->remove_extra_whitespaces) &&
        piece.starts_with(kWordBoundary)) {
      piece.remove_prefix(kWordBoundary.size());
      prefix_seen_ = !model_->remove_extra_whitespaces;
    }
    emit(with_spaces(piece), out);
  }

  void finish(std::string& out) { flush_bytes(true, out); }

 private:
  // Quirk: SentencePiece replaces every single byte of an invalid sequence, Python one maximal
  // subpart.
  void flush_bytes(bool all, std::string& out) {
    size_t done = 0;
    while (done < bytes_.size()) {
      const Utf8Char c = decode_utf8(bytes_, done);
      if (c.truncated && !all) break;
      emit(c.valid ? bytes_.substr(done, c.length) : std::string(kReplacementCharacter), out);
      done += c.valid ? c.length : 1;
    }
    bytes_.erase(0, done);
  }

  void emit(const std::string& text, std::string& out) {
    any_text_ = any_text_ || !text.empty();
    out.append(text);
  }

  const SentencePieceModel* model_;
  bool strips_prefix_;
  bool at_start_ = true, prefix_seen_ = false, any_text_ = false;
  std::string bytes_;
};

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::shared_ptr<const SentencePieceModel> model, TokenTable table,
                         TokenizerSettings settings)
      : Tokenizer(std::move(table), std::move(settings)),
        model_(std::move(model)),
        encoder_(model_, settings_.legacy && model_->add_dummy_prefix) {
    for (const AddedToken& token : table_.added()) matcher_.add(token, token.content);
    if (settings_.bos_id && settings_.add_bos_token.value_or(true))
      prefix_.push_back(*settings_.bos_id);
    if (settings_.eos_id && settings_.add_eos_token.value_or(false))
      suffix_.push_back(*settings_.eos_id);
    std::vector<TokenId> guard;
    encoder_.encode(guard_text(), guard);
    guard_length_ = guard.size();
  }

  std::unique_ptr<IncrementalDecoder> decoder(bool skip_special_tokens) const override;

  std::shared_ptr<const Tokenizer> with_added_tokens(
      std::span<const std::string> tokens) const override {
    return std::make_shared<SentencePieceTokenizer>(model_, add_to_table(tokens), settings_);
  }

 protected:
  void encode_text(MarkedText text, std::vector<TokenId>& ids) const override {
    if (text.text.empty()) return;
    if (!settings_.legacy) {
      text.replace_all(kWordBoundary, " ");
      text.prepend(kWordBoundary);
    }
    const auto parts = matcher_.split(text);
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].id >= 0) {
        ids.push_back(parts[i].id);
        continue;
      }
      const size_t before = ids.size();
      encode_part(text.part(parts[i].begin, parts[i].end), ids);
      // The prefix put in front of everything vanishes before a special token.
      if (!settings_.legacy && i == 0 && parts.size() > 1 && ids.size() == before + 1 &&
          table_.piece(ids.back()) == kWordBoundary && is_special(parts[1].id))
        ids.pop_back();
    }
  }

  // Added tokens are set apart with spaces, so they spell nothing that could stand within a text.
  std::string bytes_of_piece(TokenId id) const override {
    if (table_.added(id) != nullptr || id >= std::ssize(model_->pieces)) return {};
    const SentencePieceModel::Piece& piece = model_->pieces[static_cast<size_t>(id)];
    if (piece.type == PieceType::kControl || piece.type == PieceType::kUnknown ||
        piece.type == PieceType::kUnused || SentencePieceModel::is_markup(piece))
      return {};
    if (piece.type == PieceType::kByte)
      return std::string(1, static_cast<char>(SentencePieceModel::byte_of(piece.text)));
    return with_spaces(piece.text);
  }

 private:
  friend class SlowDecoder;

  MarkedText guard_text() const {
    MarkedText guard;
    guard.append(settings_.unk_token.empty() ? "<unk>" : settings_.unk_token, false);
    return guard;
  }

  void encode_part(MarkedText part, std::vector<TokenId>& ids) const {
    const bool leading_space = part.text.starts_with(' ') || part.text.starts_with(kWordBoundary);
    if (settings_.legacy || !leading_space) return encoder_.encode(part, ids);
    // A model that removes extra white space would drop the leading space, so the text is encoded
    // behind a word whose tokens are cut off again.
    MarkedText guarded = guard_text();
    guarded.text += part.text;
    guarded.trusted += part.trusted;
    std::vector<TokenId> all;
    encoder_.encode(guarded, all);
    const size_t cut = all.size() >= guard_length_ ? guard_length_ : 0;
    ids.insert(ids.end(), all.begin() + static_cast<ptrdiff_t>(cut), all.end());
  }

  std::shared_ptr<const SentencePieceModel> model_;
  SentencePieceEncoder encoder_;
  AddedTokenMatcher matcher_;
  size_t guard_length_ = 0;
};

// PreTrainedTokenizer._decode with LlamaTokenizer.convert_tokens_to_string. Tokens added behind the
// vocabulary stand alone, joined to the runs between them by spaces; within a run special tokens
// are printed in place.
class SlowDecoder : public IncrementalDecoder {
 public:
  SlowDecoder(const SentencePieceTokenizer& tokenizer, bool skip_special_tokens)
      : tokenizer_(tokenizer), skip_special_tokens_(skip_special_tokens), pieces_(fresh_pieces()) {}

  void push(TokenId id, std::string& out) override {
    const std::string& piece = tokenizer_.table_.piece(id);
    if (piece.empty()) return;
    const AddedToken* added = tokenizer_.table_.added(id);
    if (added != nullptr && added->special && skip_special_tokens_) return;
    if (added != nullptr && stands_alone(*added)) {
      end_run(out);
      if (any_text_) out.push_back(' ');
      any_text_ = true;
      out.append(piece);
    } else if (added != nullptr && added->special) {
      push_special(piece, out);
    } else {
      push_ordinary(piece, id, out);
    }
  }

  void finish(std::string& out) override {
    const bool open = run_length_ > 0 && !run_has_text_;
    const size_t before = out.size();
    end_run(out);
    if (open && any_text_ && out.size() == before)
      out.push_back(' ');  // an empty last run is joined too
  }

 private:
  PieceDecoder fresh_pieces() const {
    return {*tokenizer_.model_, tokenizer_.settings_.legacy && tokenizer_.model_->add_dummy_prefix};
  }

  bool stands_alone(const AddedToken& token) const {
    if (!token.special) return true;
    const TokenizerSettings& s = tokenizer_.settings_;
    const bool named = token.content == s.bos_token || token.content == s.eos_token ||
                       token.content == s.unk_token || token.content == s.pad_token;
    return !named && token.id >= tokenizer_.table_.model_size();
  }

  // Legacy decoding puts a space before a run only when a special token closes it, so the run is
  // held.
  bool holds() const { return tokenizer_.settings_.legacy && !skip_special_tokens_; }

  void push_special(const std::string& piece, std::string& out) {
    std::string text;
    if (tokenizer_.settings_.legacy && run_length_ > 0 && !previous_special_) text.push_back(' ');
    text.append(std::exchange(held_, {}));
    pieces_.finish(text);
    text.append(piece);
    emit(text, out);
    pieces_ = fresh_pieces();
    previous_special_ = true;
    ++run_length_;
  }

  void push_ordinary(std::string_view piece, TokenId id, std::string& out) {
    if (run_length_++ == 0 && piece.starts_with(kWordBoundary)) {
      piece.remove_prefix(kWordBoundary.size());
      const auto known = tokenizer_.table_.find(piece);
      id = known && *known < static_cast<TokenId>(tokenizer_.model_->pieces.size()) ? *known : -1;
    }
    previous_special_ = false;
    std::string text;
    if (id >= 0 && tokenizer_.model_->pieces[static_cast<size_t>(id)].type == PieceType::kByte)
      pieces_.push_byte(SentencePieceModel::byte_of(piece), text);
    else
      pieces_.push_piece(piece, id, text);
    if (holds())
      held_.append(text);
    else
      emit(text, out);
  }

  void end_run(std::string& out) {
    std::string text = std::exchange(held_, {});
    pieces_.finish(text);
    emit(text, out);
    pieces_ = fresh_pieces();
    run_length_ = 0;
    run_has_text_ = previous_special_ = false;
  }

  void emit(const std::string& text, std::string& out) {
    if (text.empty()) return;
    if (any_text_ && !run_has_text_) out.push_back(' ');
    any_text_ = run_has_text_ = true;
    out.append(text);
  }

  const SentencePieceTokenizer& tokenizer_;
  bool skip_special_tokens_;
  PieceDecoder pieces_;
  std::string held_;
  size_t run_length_ = 0;  // tokens in the run, special ones included
  bool any_text_ = false, run_has_text_ = false, previous_special_ = false;
};

std::unique_ptr<IncrementalDecoder> SentencePieceTokenizer::decoder(
    bool skip_special_tokens) const {
  return with_clean_up(std::make_unique<SlowDecoder>(*this, skip_special_tokens),
                       settings_.clean_up_tokenization_spaces);
}

}  // namespace

TokenTable make_token_table(const SentencePieceModel& model, const std::string& file,
                            TokenizerSettings& settings) {
  std::vector<std::string> pieces;
  pieces.reserve(model.pieces.size());
  for (const auto& piece : model.pieces) pieces.push_back(piece.text);
  const auto default_to = [&](std::string& token, int32_t id) {
    if (!token.empty() || id < 0) return;
    token = model.pieces[static_cast<size_t>(id)].text;
    AddedToken special;
    special.content = token;
    special.special = true;
    settings.special_tokens.push_back(std::move(special));
  };
  default_to(settings.bos_token, model.bos_id);
  default_to(settings.eos_token, model.eos_id);
  default_to(settings.unk_token, model.unk_id);
  TokenTable table(std::move(pieces), file);
  settings.apply(table);
  return table;
}

std::shared_ptr<const Tokenizer> make_sentencepiece(std::shared_ptr<const SentencePieceModel> model,
                                                    TokenizerSettings settings) {
  TokenTable table = make_token_table(*model, settings.file.string(), settings);
  return std::make_shared<SentencePieceTokenizer>(std::move(model), std::move(table),
                                                  std::move(settings));
}

std::shared_ptr<const Tokenizer> load_sentencepiece(const std::filesystem::path& model,
                                                    TokenizerSettings settings) {
  settings.file = model;
  return make_sentencepiece(
      std::make_shared<const SentencePieceModel>(SentencePieceModel::load(model)),
      std::move(settings));
}

}  // namespace isthmus::text
