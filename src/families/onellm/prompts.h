// From a request to the text ids and media slots of a OneLLM prompt: BOS, the media, the text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "families/family.h"
#include "isthmus/input.h"
#include "text/tokenizer.h"

namespace isthmus::families::onellm {

// The conversation template of a request is "onellm" unless it names another.
inline constexpr std::string_view kDefaultTemplate = "onellm";

// Messages rendered by the template, or the literal prompt, as one text with BOS in front. Media
// leave nothing in it. Throws UsageError for an unknown template, a role or token there is none of,
// and for an empty prompt.
std::vector<int64_t> tokenize(const Request& request, const text::Tokenizer& tokenizer);

// The first id, the media in the order of the request, the other ids. The reference takes one
// medium; several follow each other, each with tags of its own.
std::vector<Segment> with_media(std::vector<int64_t> ids, size_t num_media);

// Strings that end a turn.
std::vector<std::string> stop_strings(const Request& request);

}  // namespace isthmus::families::onellm
