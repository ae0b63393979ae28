// Models as Ollama's /api/tags, /api/ps and /api/show tell of them.
#pragma once

#include <span>

#include "protocol/exchange.h"

namespace isthmus::protocol {

Json ollama_tags(std::span<const serving::Card> cards, int64_t created);
Json ollama_show(const serving::Card& card, int64_t created);

}  // namespace isthmus::protocol
