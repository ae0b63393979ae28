// The routes as an OpenAPI document.
#pragma once

#include <span>
#include <string>

#include "protocol/exchange.h"

namespace isthmus::server {

// `models`: what "model" may be. `needs_key`: whether this server wants one.
protocol::Json openapi(std::span<const std::string> models, bool needs_key);

}  // namespace isthmus::server
