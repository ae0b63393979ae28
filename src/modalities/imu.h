// Motion as OneLLM prepares it.
#pragma once

#include <cstdint>

#include "media/imu.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

struct ImuConfig {
  int64_t sample_rate = 200;   // per second
  int64_t window_seconds = 2;  // of default_imu_window
};

struct ImuWindow {
  double start = 0, end = 0;  // seconds, on the recording's own clock
};

// From the first sample on.
ImuWindow default_imu_window(const media::ImuRecording& recording, const ImuConfig& config = {});

// [6, round(end - start) * sample_rate]: the samples of the window at the model's rate, cut or
// followed by zeros. Values are not scaled. The recording's rate is the whole number below 1000 /
// the mean step in milliseconds; resampled as sound is. What was changed is in `notes`. Throws
// UsageError for a window that is none, InputError if the recording does not reach its end, has a
// gap of more than 4 s there, fewer than 10 samples in it, or less than one sample a second.
Prepared prepare_imu(const media::ImuRecording& recording, const ImuWindow& window,
                     const ImuConfig& config = {});

}  // namespace isthmus::modalities
