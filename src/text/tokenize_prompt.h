// Prompts with media to token ids, in the two ways that LLaVA checkpoints use.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "text/conversation.h"
#include "text/tokenizer.h"

namespace isthmus::text {

// Stands in the ids where a medium's features go.                      IMAGE_TOKEN_INDEX,
// llava/constants.py
inline constexpr TokenId kMediaMarker = -200;

struct PromptTokens {
  std::vector<TokenId> ids;
  std::vector<size_t>
      media;  // in the order of their places in the prompt: indices into the request's media
};

// tokenizer_image_token of the original code: each stretch of text between media is tokenised on
// its own, so the text after a medium begins with a dummy prefix; one BOS is kept. One kMediaMarker
// per medium. `wrap_media`: every medium between the tokens <im_start> and <im_end> (config:
// mm_use_im_start_end), which the tokenizer must have (UsageError).
PromptTokens tokenize_with_markers(const Tokenizer& tokenizer, std::span<const PromptPart> parts,
                                   bool wrap_media = false);

// llava-hf: the text is tokenised as one string in which every medium is the token `media_token`
// ("<image>"), which then stands once for each of its features. `feature_counts[i]`: rows of medium
// i of the request. UsageError if the tokenizer lacks the token or a medium has no count.
PromptTokens tokenize_expanded(const Tokenizer& tokenizer, std::span<const PromptPart> parts,
                               std::string_view media_token,
                               std::span<const size_t> feature_counts);

}  // namespace isthmus::text
