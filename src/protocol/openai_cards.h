// Models as OpenAI's and Anthropic's /v1/models list them; one object serves the clients of both.
#pragma once

#include <span>

#include "protocol/exchange.h"

namespace isthmus::protocol {

Json model_card(const serving::Card& card, int64_t created);
Json model_list(std::span<const serving::Card> cards, int64_t created);

}  // namespace isthmus::protocol
