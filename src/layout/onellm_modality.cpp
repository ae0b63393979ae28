#include "layout/onellm_modality.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::layout {

std::string name_of(TokenizerKind kind, size_t dimensions) {
  switch (kind) {
    case TokenizerKind::kVisionPatches: return "patches";
    case TokenizerKind::kPatchConv: return fmt::format("conv{}d", dimensions);
    case TokenizerKind::kLinear: return "linear";
    case TokenizerKind::kPointGroups: return "knn";
  }
  return {};
}

std::string request_name(std::string_view key) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kOthers = {
      {{"point", "points"}, {"rgbd", "depth"}, {"rgbn", "normal"}}};
  for (const auto& [own, requested] : kOthers)
    if (own == key) return std::string(requested);
  return std::string(key);
}

const ModalityConfig& find_modality(std::span<const ModalityConfig> modalities,
                                    std::string_view name, const std::string& source) {
  const auto found = std::ranges::find(modalities, name, &ModalityConfig::name);
  if (found != modalities.end()) return *found;
  std::vector<std::string> known;
  for (const ModalityConfig& modality : modalities) known.push_back(modality.name);
  throw UnsupportedError(fmt::format(
      "{}: this model takes {}, not {}", source,
      known.empty() ? std::string("text only") : fmt::format("text, {}", fmt::join(known, ", ")),
      name));
}

}  // namespace isthmus::layout
