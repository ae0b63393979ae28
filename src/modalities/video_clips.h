// Videos as a few still views of a few moments (OneLLM; pytorchvideo's uniform clips).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "media/video.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

struct VideoClipsConfig {
  int64_t num_clips = 5;     // of one second, of which the first frame is taken
  int64_t image_size = 224;  // S
  std::array<double, 3> mean{0.48145466, 0.4578275, 0.40821073};  // of CLIP
  std::array<double, 3> std{0.26862954, 0.26130258, 0.27577711};
};

// Clip k of K starts at k / K of (duration - 1 s), an exact fraction of that double, so the last
// one never reaches the end; all at 0 in a video shorter than a second. Its frame is the first at
// or after that, as ceil(frames_per_second * start) in double has it.
std::vector<int64_t> clip_frames(int64_t num_frames, double frames_per_second, int64_t num_clips);

// [3 * num_clips, 3, S, S], clip by clip: of each frame the left, middle and right square, or the
// top, middle and bottom one if it is taller than wide. The shorter side becomes S pixels
// (bilinear without widening the kernel, in float32), the longer floor(longer / shorter * S); each
// sample x is (x / 255 - mean) / std. Throws what the reader throws.
Prepared prepare_video_clips(media::VideoReader& reader, const VideoClipsConfig& config = {});

}  // namespace isthmus::modalities
