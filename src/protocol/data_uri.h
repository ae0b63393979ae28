// Bytes that stand inside a request.
#pragma once

#include <cstddef>
#include <vector>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

// Of a string that is base64, or a data URI of base64. Names of files are refused, and remote
// addresses unless the context fetches: a server that read them would read, for whoever asks, what
// only it can see.
std::vector<std::byte> read_bytes(const JsonView& text, const Context& context);

}  // namespace isthmus::protocol
