// The events of a streamed response, each with its number.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "protocol/exchange.h"

namespace isthmus::protocol {

// Belongs to one response with one message in it.
class ResponseStream {
 public:
  explicit ResponseStream(std::string item_id) : item_id_(std::move(item_id)) {}

  // `response`: as it is when it begins.
  std::string begun(const Json& response);
  std::string continued(const std::string& text, const Json& logprobs);
  // `item`: the message in full; `response`: as it is at its end.
  std::string ended(const Json& item, const Json& response);
  std::string broken_off(Json response, const Failure& failure);

 private:
  std::string event(std::string_view type, Json fields);
  Json of_content() const;  // which content of which item an event speaks of

  std::string item_id_;
  int64_t next_ = 0;
};

}  // namespace isthmus::protocol
