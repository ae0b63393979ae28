// The kinds of media a model can be given.
#pragma once

#include <string_view>

namespace isthmus::modalities {

enum class Modality { kImage, kVideo, kAudio, kPointCloud, kDepthMap, kNormalMap, kImu, kFmri };

// As requests spell them: image video audio points depth normal imu fmri.
std::string_view name_of(Modality modality);
// Throws UsageError for any other name.
Modality parse_modality(std::string_view name);

}  // namespace isthmus::modalities
