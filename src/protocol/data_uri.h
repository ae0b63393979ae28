// Bytes that stand inside a request.
#pragma once

#include <cstddef>
#include <vector>

#include "base/json_view.h"

namespace isthmus::protocol {

// Of a string that is base64, or a data URI of base64. Remote addresses and names of files are
// refused: a server that fetched them would read, for whoever asks, what only it can see.
std::vector<std::byte> read_bytes(const JsonView& text);

}  // namespace isthmus::protocol
