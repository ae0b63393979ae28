// Brain activity as OneLLM prepares it.
#pragma once

#include <cstdint>

#include "media/number_array.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

struct FmriConfig {
  int64_t num_voxels = 15724;  // of the model: subject 1 of the Natural Scenes Dataset
};

// [1, num_voxels]: the mean over the trials of an array [trials, num_voxels]; an array
// [num_voxels] is one trial. Values are not scaled. Throws InputError for other shapes, naming both
// lengths, for no trial, and for values that are not finite.
Prepared prepare_fmri(const media::NumberArray& activity, const FmriConfig& config = {});

}  // namespace isthmus::modalities
