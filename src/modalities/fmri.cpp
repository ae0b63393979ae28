#include "modalities/fmri.h"

#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::modalities {

Prepared prepare_fmri(const media::NumberArray& activity, const FmriConfig& config) {
  const Shape& shape = activity.shape();
  if (shape.size() != 1 && shape.size() != 2)
    throw InputError(fmt::format("{}: holds an array of shape {}; expected [trials, {}]",
                                 activity.source(), to_string(shape), config.num_voxels));
  if (shape.back() != config.num_voxels)
    throw InputError(fmt::format("{}: holds {} values per trial, the model needs {} (voxels of its "
                                 "own subject and mask)",
                                 activity.source(), shape.back(), config.num_voxels));
  const bool one_trial = shape.size() == 1;
  const int64_t trials = one_trial ? 1 : shape[0];
  if (trials == 0) throw InputError(fmt::format("{}: holds no trial", activity.source()));

  Prepared prepared;
  prepared.modality = Modality::kFmri;
  prepared.shape = {1, config.num_voxels};
  for (int64_t voxel = 0; voxel < config.num_voxels; ++voxel) {
    float sum = 0;  // float, as the reference adds trial to trial
    for (int64_t trial = 0; trial < trials; ++trial)
      sum += static_cast<float>(one_trial ? activity.at(voxel) : activity.at(trial, voxel));
    if (!std::isfinite(sum))
      throw InputError(
          fmt::format("{}: the value of voxel {} is not finite", activity.source(), voxel));
    prepared.values.push_back(sum / static_cast<float>(trials));
  }
  return prepared;
}

}  // namespace isthmus::modalities
