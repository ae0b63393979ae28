#include "families/media_kinds.h"

#include "families/flamingo/flamingo.h"
#include "families/llava/llava.h"
#include "families/onellm/onellm.h"
#include "modalities/modality.h"

namespace isthmus::families {

std::vector<MediaKind> media_kinds(const Family& family) {
  const MediaKind image{std::string(modalities::Modality::kImage)};
  if (const auto* llava = dynamic_cast<const llava::Llava*>(&family))
    return llava->settings().tower ? std::vector{image} : std::vector<MediaKind>();
  if (dynamic_cast<const flamingo::Flamingo*>(&family) != nullptr) return {image};
  std::vector<MediaKind> kinds;
  const auto* onellm = dynamic_cast<const onellm::OneLlm*>(&family);
  if (onellm == nullptr || onellm->model().config.is_language_model()) return kinds;
  for (const layout::ModalityConfig& modality : onellm->model().config.modalities)
    kinds.push_back({modality.name, modality.channels, modality.recipe});
  return kinds;
}

}  // namespace isthmus::families
