// The routes as an OpenAPI document.
#pragma once

#include "protocol/exchange.h"

namespace isthmus::server {

protocol::Json openapi();

}  // namespace isthmus::server
