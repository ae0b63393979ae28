// Tokenizers of small vocabularies: every word is one piece.
#pragma once

#include <span>
#include <string>

namespace isthmus::text {

// The bytes of a tokenizer.model (SentencePiece, unigram): <unk>, <s>, </s>, the pieces as given
// ("▁red", "\n", "###"), those of the form <…> as user-defined ones, then the printable characters
// of ASCII for words that are not among them. A piece is preferred to the characters it is made of.
// Throws UsageError for a piece that is empty or comes twice.
std::string word_model(std::span<const std::string> words);

}  // namespace isthmus::text
