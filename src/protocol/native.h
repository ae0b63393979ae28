// Isthmus's own API: the request format of docs/formats.md, with "model", "stream", "answers",
// "top_logprobs", "aligner" and "form" beside it.
#pragma once

#include <memory>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

// Media come as "data"; a "path" would name a file of the server's, so it is refused.
std::unique_ptr<Exchange> open_native(const JsonView& body, const Context& context);

}  // namespace isthmus::protocol
