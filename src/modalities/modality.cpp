#include "modalities/modality.h"

#include <array>
#include <string>

#include "isthmus/error.h"

namespace isthmus::modalities {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, 8> kNames = {"image", "video",  "audio", "points",
                                                    "depth", "normal", "imu",   "fmri"};

}  // namespace

std::string_view name_of(Modality modality) { return kNames[static_cast<size_t>(modality)]; }

Modality parse_modality(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<Modality>(i);
  std::string known;
  for (const std::string_view each : kNames)
    known += (known.empty() ? "" : ", ") + std::string(each);
  throw UsageError("unknown kind of medium \"" + std::string(name) + "\"; expected one of " +
                   known);
}

}  // namespace isthmus::modalities
