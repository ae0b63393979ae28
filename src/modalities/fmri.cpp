#include "modalities/fmri.h"

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::modalities {
namespace {

// Of the voxels that count, where they lie in a volume whose x runs fastest.
std::vector<size_t> marked_voxels(media::NiftiReader& mask, const FmriConfig& config) {
  if (mask.num_volumes() != 1)
    throw InputError(
        fmt::format("{}: {} volumes; a mask is one", mask.source(), mask.num_volumes()));
  std::vector<float> marks;
  mask.next(marks);
  const auto [width, height, depth] = mask.size();
  std::vector<size_t> marked;
  for (int64_t x = 0; x < width; ++x)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t z = 0; z < depth; ++z) {
        const auto at = static_cast<size_t>(x + width * (y + height * z));
        if (marks[at] > 0) marked.push_back(at);
      }
  if (static_cast<int64_t>(marked.size()) != config.num_voxels)
    throw InputError(fmt::format("{}: marks {} voxels, the model needs {} (of its own subject)",
                                 mask.source(), marked.size(), config.num_voxels));
  return marked;
}

}  // namespace

Prepared prepare_fmri(const media::NumberArray& activity, const FmriConfig& config) {
  const Shape& shape = activity.shape();
  if (shape.size() != 1 && shape.size() != 2)
    throw InputError(fmt::format("{}: holds an array of shape {}; expected [trials, {}]",
                                 activity.source(), to_string(shape), config.num_voxels));
  if (shape.back() != config.num_voxels)
    throw InputError(
        fmt::format("{}: holds {} values per trial, the model needs {} (voxels of its "
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

Prepared prepare_fmri(media::NiftiReader& activity, media::NiftiReader& mask,
                      const FmriConfig& config) {
  if (activity.size() != mask.size())
    throw InputError(fmt::format("{}: volumes of {} voxels, the mask {} has {}", activity.source(),
                                 fmt::join(activity.size(), "x"), mask.source(),
                                 fmt::join(mask.size(), "x")));
  const std::vector<size_t> marked = marked_voxels(mask, config);
  std::vector<float> volume, sums(marked.size(), 0.0f);
  for (int64_t trial = 0; trial < activity.num_volumes(); ++trial) {
    activity.next(volume);
    for (size_t i = 0; i < marked.size(); ++i) {
      if (!std::isfinite(volume[marked[i]]))
        throw InputError(fmt::format("{}: the value of marked voxel {} in volume {} is not finite",
                                     activity.source(), i, trial));
      sums[i] += volume[marked[i]];
    }
  }
  for (float& sum : sums) sum /= static_cast<float>(activity.num_volumes());
  Prepared prepared;
  prepared.modality = Modality::kFmri;
  prepared.shape = {1, config.num_voxels};
  prepared.values = std::move(sums);
  return prepared;
}

Prepared decode_fmri(const NamedBytes& activity, const NamedBytes& mask, const FmriConfig& config) {
  constexpr size_t kMagicSize = 6;
  const bool npy = activity.bytes.size() >= kMagicSize && activity.bytes[0] == std::byte{0x93} &&
                   activity.bytes[1] == std::byte{'N'};
  if (npy) {
    if (!mask.bytes.empty())
      throw UsageError(fmt::format("{}: a vector of voxels takes no mask", activity.name));
    return prepare_fmri(media::NumberArray(activity.bytes, activity.name), config);
  }
  media::NiftiReader volumes(activity.bytes, activity.name);
  if (mask.bytes.empty())
    throw UsageError(
        fmt::format("{}: whole volumes need a mask, the NIfTI file that marks the {} "
                    "voxels the model takes",
                    activity.name, config.num_voxels));
  media::NiftiReader marks(mask.bytes, mask.name);
  return prepare_fmri(volumes, marks, config);
}

Prepared load_fmri(const std::filesystem::path& activity, const std::filesystem::path& mask,
                   const FmriConfig& config) {
  const auto file = media::map_file(activity);
  if (mask.empty()) return decode_fmri({file->bytes(), activity.string()}, {{}, ""}, config);
  const auto marks = media::map_file(mask);
  return decode_fmri({file->bytes(), activity.string()}, {marks->bytes(), mask.string()}, config);
}

}  // namespace isthmus::modalities
