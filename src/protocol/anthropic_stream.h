// The events of a streamed message: it starts, its one block of text grows and stops, it stops.
#pragma once

#include <string>

#include "protocol/exchange.h"

namespace isthmus::protocol {

// `message`: as it is before its text.
std::string anthropic_start(const Json& message);
std::string anthropic_delta(const std::string& text);
// `end`: {"stop_reason", "stop_sequence"}; `usage`: of the whole message.
std::string anthropic_stop(const Json& end, const Json& usage);

}  // namespace isthmus::protocol
