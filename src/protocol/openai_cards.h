// Models as OpenAI's and Anthropic's /v1/models list them; one object serves the clients of both.
// Behind each stand those that it is with another of its aligners, as vLLM lists LoRAs.
#pragma once

#include <span>

#include "protocol/exchange.h"

namespace isthmus::protocol {

// What a model with one of its aligners is listed as: MODEL:ALIGNER, with MODEL as its parent.
serving::Card card_with(serving::Card card, const std::string& aligner);

Json model_card(const serving::Card& card, int64_t created);
Json model_list(std::span<const serving::Card> cards, int64_t created);

}  // namespace isthmus::protocol
