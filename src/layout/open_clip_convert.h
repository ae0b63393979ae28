// A CLIP in Hugging Face's files, spelled as open_clip spells its vision tower.
#pragma once

#include "formats/checkpoint.h"

namespace isthmus::layout {

// `visual.*` alone, with query, key and value of each block in one matrix. Values are viewed where
// a name changes, copied where matrices are joined. Throws ModelError naming what is missing.
formats::Checkpoint to_open_clip(const formats::Checkpoint& hugging_face);

}  // namespace isthmus::layout
