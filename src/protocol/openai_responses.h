// OpenAI's /v1/responses. Nothing is stored: a request brings its whole conversation.
#pragma once

#include <memory>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

std::unique_ptr<Exchange> open_responses(const JsonView& body, const Context& context);

}  // namespace isthmus::protocol
