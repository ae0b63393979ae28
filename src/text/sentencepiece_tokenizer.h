// tokenizer.model with the behaviour of transformers' slow LlamaTokenizer (4.37), which LLaVA uses.
#pragma once

#include <filesystem>
#include <memory>

#include "text/tokenizer.h"

namespace isthmus::text {

// settings.legacy true: every text piece between special tokens gets its own dummy prefix. False:
// one "▁" before the whole text, none after a special token.
std::shared_ptr<const Tokenizer> load_sentencepiece(const std::filesystem::path& model,
                                                    TokenizerSettings settings);
// The same of a model that was read already; `settings.file` names it in messages.
std::shared_ptr<const Tokenizer> make_sentencepiece(
    std::shared_ptr<const struct SentencePieceModel> model, TokenizerSettings settings);

// The table and settings that a SentencePiece model gives: BOS, EOS, UNK of the model where the
// settings name none, and the added tokens of both.
TokenTable make_token_table(const struct SentencePieceModel& model, const std::string& file,
                            TokenizerSettings& settings);

}  // namespace isthmus::text
