// The kinds of media that released models take.
#pragma once

#include <string_view>

namespace isthmus::modalities {

// Their names in requests. A kind of medium is a name: a checkpoint may know others.
struct Modality {
  static constexpr std::string_view kImage = "image";
  static constexpr std::string_view kVideo = "video";
  static constexpr std::string_view kAudio = "audio";
  static constexpr std::string_view kPointCloud = "points";
  static constexpr std::string_view kDepthMap = "depth";
  static constexpr std::string_view kNormalMap = "normal";
  static constexpr std::string_view kImu = "imu";
  static constexpr std::string_view kFmri = "fmri";
};

}  // namespace isthmus::modalities
