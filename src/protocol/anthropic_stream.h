// The events of a streamed message: it starts, its blocks start, grow and stop, it stops.
#pragma once

#include <cstddef>
#include <string>

#include "protocol/exchange.h"

namespace isthmus::protocol {

// `message`: as it is before its first block.
std::string anthropic_start(const Json& message);
std::string anthropic_block(size_t index, const Json& block);
std::string anthropic_delta(size_t index, const Json& delta);
std::string anthropic_block_stop(size_t index);
// `end`: {"stop_reason", "stop_sequence"}; `usage`: of the whole message.
std::string anthropic_stop(const Json& end, const Json& usage);

}  // namespace isthmus::protocol
