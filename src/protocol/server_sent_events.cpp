#include "protocol/server_sent_events.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace isthmus::protocol {

std::string sse(const Json& data) { return fmt::format("data: {}\n\n", dumped(data)); }

std::string sse(std::string_view event, const Json& data) {
  return fmt::format("event: {}\ndata: {}\n\n", event, dumped(data));
}

}  // namespace isthmus::protocol
