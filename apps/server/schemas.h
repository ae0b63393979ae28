// What bodies of requests and answers look like, as JSON schemas.
#pragma once

#include <string_view>

#include "protocol/exchange.h"

namespace isthmus::server {

// The schemas that others refer to: "#/components/schemas/NAME".
protocol::Json component_schemas();

struct BodySchemas {
  std::string_view path;
  std::string_view asked;     // name of the schema of a request's body; "" for none
  std::string_view answered;  // of the whole answer
};

// Of a route; nullptr where none is written down.
const BodySchemas* body_schemas(std::string_view path);

}  // namespace isthmus::server
