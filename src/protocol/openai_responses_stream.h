// What a response says, as items: messages and calls of tools; and the events of a streamed one,
// each with its number.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/calls.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

// The item at `index` of the output. `logprobs`: of a message.
Json response_item(const std::string& id, size_t index, const Spoken& spoken,
                   std::string_view status, const Json& logprobs);

class ResponseStream {
 public:
  // `id`: of the request.
  explicit ResponseStream(std::string id) : id_(std::move(id)) {}

  // `response`: as it is when it begins.
  std::string begun(const Json& response);
  std::string continued(const std::vector<Said>& said, const Json& logprobs);
  // `response`: as it is at its end, with the items that were streamed.
  std::string ended(const Json& response);
  std::string broken_off(Json response, const Failure& failure);

 private:
  std::string event(std::string_view type, Json fields);
  Json of_item() const;     // which item an event speaks of,
  Json of_content() const;  // and which content of it
  std::string opened();     // the last of items_
  std::string closed(const Json& item);

  std::string id_;
  int64_t next_ = 0;
  std::vector<Spoken> items_;  // as far as they were streamed
  bool is_open_ = false;       // the last of them
};

}  // namespace isthmus::protocol
