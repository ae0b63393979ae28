// Sound as a picture of its mel spectrum (OneLLM, AudioSet conventions).
#pragma once

#include <cstdint>

#include "media/audio.h"
#include "modalities/filter_bank.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

struct MelAudioConfig {
  FilterBankConfig bank;
  int64_t num_frames = 1024;                  // 10.24 s; what lies behind is not read
  double mean = -4.2677393, std = 4.5689974;  // of log energies, AudioSet
};

// [1, bins, frames]: the first channel at the bank's sample rate, each log energy x as
// (x - mean) / (2 std) in float32; frames that the sound does not reach are x = 0, which is not
// silence. Throws what the reader throws, and InputError for sound shorter than one frame.
Prepared prepare_mel_audio(media::AudioReader& reader, const MelAudioConfig& config = {});

}  // namespace isthmus::modalities
