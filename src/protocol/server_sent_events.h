// Server-sent events (WHATWG HTML, section 9.2): lines of fields, an empty line after each event.
#pragma once

#include <string>
#include <string_view>

#include "protocol/exchange.h"

namespace isthmus::protocol {

std::string sse(const Json& data);
std::string sse(std::string_view event, const Json& data);

inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";  // how OpenAI's streams end

}  // namespace isthmus::protocol
