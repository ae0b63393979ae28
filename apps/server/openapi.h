// The routes as an OpenAPI document.
#pragma once

#include <span>
#include <string>

#include "protocol/exchange.h"

namespace isthmus::server {

// `models`: what "model" may be.
protocol::Json openapi(std::span<const std::string> models);

}  // namespace isthmus::server
