// The body of a request as JSON.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json_view.h"

namespace isthmus::protocol {

// Stands where a file name would in messages: "request: messages[0].role: missing".
inline constexpr std::string_view kBodySource = "request";

// Throws UsageError for what is not JSON, no object, or nested too deep.
JsonView parse_body(std::string_view text);

// Runs `read`; what a JsonView complains of becomes a UsageError, for here the fault is the
// client's.
void reading_a_request(const std::function<void()>& read);

}  // namespace isthmus::protocol
