#include "protocol/ollama_cards.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/ollama.h"
#include "protocol/openai_cards.h"
#include "protocol/tools.h"

namespace isthmus::protocol {
namespace {

// "7.0B", "350.2M"
std::string parameter_size(int64_t parameters) {
  const double count = static_cast<double>(parameters);
  if (count >= 1e9) return fmt::format("{:.1f}B", count / 1e9);
  if (count >= 1e6) return fmt::format("{:.1f}M", count / 1e6);
  return fmt::format("{:.1f}K", count / 1e3);
}

Json details(const serving::Card& card) {
  return {{"parent_model", card.parent},
          {"format", "isthmus"},
          {"family", card.family},
          {"families", Json::array({card.family})},
          {"parameter_size", parameter_size(card.parameters)},
          {"quantization_level", card.storage}};
}

}  // namespace

Json ollama_tags(std::span<const serving::Card> cards, int64_t created) {
  Json models = Json::array();
  const auto add = [&](const serving::Card& card) {
    models.push_back({{"name", card.name},
                      {"model", card.name},
                      {"modified_at", ollama_time(created)},
                      {"size", 0},
                      {"digest", ""},
                      {"details", details(card)}});
  };
  for (const serving::Card& card : cards) {
    add(card);
    for (const std::string& aligner : card.aligners) add(card_with(card, aligner));
  }
  return {{"models", std::move(models)}};
}

Json ollama_show(const serving::Card& card, int64_t created) {
  Json capabilities = Json::array({"completion", "embedding"});
  if (std::ranges::find(card.modalities, "image") != card.modalities.end())
    capabilities.push_back("vision");
  Context about;
  about.card = card;
  if (context_with_template(about, "").calls_tools) capabilities.push_back("tools");
  return {{"modelfile", ""},
          {"parameters", ""},
          {"template", card.conversation_template},
          {"details", details(card)},
          {"model_info",
           {{"general.architecture", card.family},
            {"general.parameter_count", card.parameters},
            {card.family + ".context_length", card.context_length}}},
          {"capabilities", std::move(capabilities)},
          {"modified_at", ollama_time(created)}};
}

}  // namespace isthmus::protocol
