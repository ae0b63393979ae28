#include "protocol/anthropic_stream.h"

#include <nlohmann/json.hpp>

#include "protocol/server_sent_events.h"

namespace isthmus::protocol {

std::string anthropic_start(const Json& message) {
  return sse("message_start", {{"type", "message_start"}, {"message", message}}) +
         sse("content_block_start", {{"type", "content_block_start"},
                                     {"index", 0},
                                     {"content_block", {{"type", "text"}, {"text", ""}}}}) +
         sse("ping", {{"type", "ping"}});
}

std::string anthropic_delta(const std::string& text) {
  return sse("content_block_delta", {{"type", "content_block_delta"},
                                     {"index", 0},
                                     {"delta", {{"type", "text_delta"}, {"text", text}}}});
}

std::string anthropic_stop(const Json& end, const Json& usage) {
  return sse("content_block_stop", {{"type", "content_block_stop"}, {"index", 0}}) +
         sse("message_delta", {{"type", "message_delta"}, {"delta", end}, {"usage", usage}}) +
         sse("message_stop", {{"type", "message_stop"}});
}

}  // namespace isthmus::protocol
