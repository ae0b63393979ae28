// OpenAI's /v1/chat/completions. platform.openai.com/docs/api-reference/chat
#pragma once

#include <memory>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

std::unique_ptr<Exchange> open_chat(const JsonView& body, const Context& context);

// What OpenAI calls the end of an answer: "stop" or "length".
std::string_view openai_reason(const serving::Finished& end);
// {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"}
Json openai_usage(const Exchange& exchange);
// stream_options.include_usage, where the request streams.
bool wants_usage(const JsonView& body);

}  // namespace isthmus::protocol
