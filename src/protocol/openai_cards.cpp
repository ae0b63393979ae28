#include "protocol/openai_cards.h"

#include <nlohmann/json.hpp>

#include "protocol/ollama.h"

namespace isthmus::protocol {

serving::Card card_with(serving::Card card, const std::string& aligner) {
  card.parent = card.name;
  card.name += ":" + aligner;
  card.aligners.clear();
  return card;
}

Json model_card(const serving::Card& card, int64_t created) {
  return {{"id", card.name},
          {"object", "model"},
          {"created", created},
          {"owned_by", "isthmus"},
          // Anthropic's words
          {"type", "model"},
          {"display_name", card.name},
          {"created_at", ollama_time(created)},
          // vLLM's
          {"parent", card.parent.empty() ? Json(nullptr) : Json(card.parent)},
          // Ours
          {"family", card.family},
          {"modalities", card.modalities},
          {"aligners", card.aligners},
          {"max_model_len", card.context_length},
          {"parameters", card.parameters},
          {"storage", card.storage},
          {"template", card.conversation_template}};
}

Json model_list(std::span<const serving::Card> cards, int64_t created) {
  Json data = Json::array();
  for (const serving::Card& card : cards) {
    data.push_back(model_card(card, created));
    for (const std::string& aligner : card.aligners)
      data.push_back(model_card(card_with(card, aligner), created));
  }
  const auto name = [&](bool first) -> Json {
    return data.empty() ? Json(nullptr) : (first ? data.front() : data.back())["id"];
  };
  return {{"object", "list"},
          {"data", data},
          {"has_more", false},
          {"first_id", name(true)},
          {"last_id", name(false)}};
}

}  // namespace isthmus::protocol
