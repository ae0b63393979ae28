#include "serving/card.h"

#include <utility>

#include "base/shape.h"
#include "families/flamingo/flamingo.h"
#include "families/llava/llava.h"
#include "families/media_kinds.h"
#include "families/onellm/onellm.h"
#include "families/onellm/prompts.h"
#include "nn/slots.h"

namespace isthmus::serving {

Card card_of(families::Family& family, std::string name, const LoadOptions& options) {
  Card card;
  card.name = std::move(name);
  card.family = "language_model";
  if (const auto* llava = dynamic_cast<const families::llava::Llava*>(&family)) {
    card.family = "llava";
    card.conversation_template = llava->settings().prompts.default_template;
  } else if (dynamic_cast<const families::flamingo::Flamingo*>(&family) != nullptr) {
    card.family = "flamingo";
  } else if (dynamic_cast<const families::onellm::OneLlm*>(&family) != nullptr) {
    card.family = "onellm";
    card.conversation_template = families::onellm::kDefaultTemplate;
  }
  for (const families::MediaKind& kind : families::media_kinds(family))
    card.modalities.push_back(kind.name);
  card.context_length = family.context_length();
  for (const nn::Slot& slot : nn::slots_of(family.modules()))
    card.parameters += num_elements(slot.shape).value_or(0);
  card.storage = options.decoder_storage;
  return card;
}

}  // namespace isthmus::serving
