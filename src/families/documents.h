// Texts of which every piece has its own weight in the loss.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "families/example.h"
#include "samples/sample.h"
#include "text/tokenizer.h"

namespace isthmus::families {

// To which of the spans each id belongs: the one that holds the token's last byte; 0 for what the
// tokenizer adds in front. Nothing where the tokens' spellings do not add up to the text (a
// normaliser, SentencePiece's byte pieces).
std::vector<size_t> owners_of_tokens(const text::Tokenizer& tokenizer,
                                     std::span<const text::TextSpan> spans,
                                     std::span<const int64_t> ids);

// A document of texts and tokens, no media: what a language model learns from. Sample::weights
// count by part; without them every token is a target. `max_length` in tokens, 0: all. Throws
// BadSample for media, an empty text, and a tokenizer that cannot tell parts apart.
Example text_example(const samples::Sample& sample, const text::Tokenizer& tokenizer,
                     int64_t max_length);

// Of a conversation: the k-th run of targets is the k-th answer, and counts as Sample::weights says
// of its turn; an answer of weight 0 is no target.
void weigh_answers(const samples::Sample& sample, std::vector<Segment>& segments);

}  // namespace isthmus::families
