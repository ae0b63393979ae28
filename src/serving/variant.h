// One of the aligners that questions choose between, on the one language model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/media_loader.h"
#include "families/family.h"

namespace isthmus::serving {

// Questions on their way hold theirs, so that one that is removed lasts until they are answered.
struct Variant {
  std::string name;  // "": the model's own
  std::shared_ptr<families::Family> family;
  // Equal where the language model and its hook are: then equal rows make equal keys and values,
  // and all go through one pass.
  int64_t model = 0;
  std::unique_ptr<engine::MediaLoader> media;  // the scheduler's thread alone
};

}  // namespace isthmus::serving
