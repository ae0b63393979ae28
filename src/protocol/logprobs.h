// Probabilities of tokens as the APIs write them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocol/exchange.h"

namespace isthmus::protocol {

// So many alternatives to a token can be asked for, as of OpenAI.
constexpr int64_t kMostTopLogprobs = 20;

// {"token", "logprob", "bytes", "top_logprobs": [{"token", "logprob", "bytes"}, …]} each.
Json token_logprobs(std::span<const serving::Token> tokens);
// The lists of /v1/completions: tokens, token_logprobs, top_logprobs, text_offset. `offset`: bytes
// of text before the first.
Json parallel_logprobs(std::span<const serving::Token> tokens, size_t offset);

}  // namespace isthmus::protocol
