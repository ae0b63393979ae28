#include "protocol/anthropic_stream.h"

#include <nlohmann/json.hpp>

#include "protocol/server_sent_events.h"

namespace isthmus::protocol {

std::string anthropic_start(const Json& message) {
  return sse("message_start", {{"type", "message_start"}, {"message", message}}) +
         sse("ping", {{"type", "ping"}});
}

std::string anthropic_block(size_t index, const Json& block) {
  return sse("content_block_start",
             {{"type", "content_block_start"}, {"index", index}, {"content_block", block}});
}

std::string anthropic_delta(size_t index, const Json& delta) {
  return sse("content_block_delta",
             {{"type", "content_block_delta"}, {"index", index}, {"delta", delta}});
}

std::string anthropic_block_stop(size_t index) {
  return sse("content_block_stop", {{"type", "content_block_stop"}, {"index", index}});
}

std::string anthropic_stop(const Json& end, const Json& usage) {
  return sse("message_delta", {{"type", "message_delta"}, {"delta", end}, {"usage", usage}}) +
         sse("message_stop", {{"type", "message_stop"}});
}

}  // namespace isthmus::protocol
