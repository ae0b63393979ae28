// Anthropic's /v1/messages and /v1/messages/count_tokens.             docs.anthropic.com, Messages
// API
#pragma once

#include <memory>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

std::unique_ptr<Exchange> open_messages(const JsonView& body, const Context& context);
// The prompt that /v1/messages would make of the same body.
Request read_prompt_to_count(const JsonView& body, const Context& context);

}  // namespace isthmus::protocol
