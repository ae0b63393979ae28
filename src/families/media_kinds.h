// Which media a model takes, and what has to be known to make some up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "families/family.h"
#include "modalities/signal.h"

namespace isthmus::families {

struct MediaKind {
  std::string name;    // in requests
  int64_t values = 0;  // of brain activity: voxels; of vectors: their length
  std::optional<modalities::SignalConfig> recipe = {};  // of a kind that no program knows
};

// In the order in which the model knows them; none of a language model.
std::vector<MediaKind> media_kinds(const Family& family);

}  // namespace isthmus::families
