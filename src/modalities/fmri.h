// Brain activity as OneLLM prepares it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "media/nifti.h"
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

// The same of the voxels that `mask` marks with a number above 0, in NumPy's order (z runs
// fastest), the mean over the volumes of `activity`. Both are read to their ends. Throws
// InputError, too, if the mask is of another size or marks another number of voxels than the model
// takes.
Prepared prepare_fmri(media::NiftiReader& activity, media::NiftiReader& mask,
                      const FmriConfig& config = {});

// Whichever the file is: NIfTI needs the mask of the same subject, npy needs none. Throws
// UsageError if that is not so.
Prepared load_fmri(const std::filesystem::path& activity, const std::filesystem::path& mask,
                   const FmriConfig& config = {});
// The same of files in memory; the names stand in messages. No bytes: no mask.
struct NamedBytes {
  std::span<const std::byte> bytes;
  std::string name;
};
Prepared decode_fmri(const NamedBytes& activity, const NamedBytes& mask,
                     const FmriConfig& config = {});

}  // namespace isthmus::modalities
