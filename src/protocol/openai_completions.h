// OpenAI's /v1/completions: text goes on, no template around it.
#pragma once

#include <memory>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

// `prompt` is a text, a list of ids of tokens, a list of either (a question each), or, with media,
// a list of parts. Parts of the type "token" insert one special token each, as in a literal prompt.
// `echo` writes texts back before their answers.
std::unique_ptr<Exchange> open_completions(const JsonView& body, const Context& context);

}  // namespace isthmus::protocol
