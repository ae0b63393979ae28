#include "modalities/mel_audio.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "modalities/sinc_resampler.h"

namespace isthmus::modalities {
namespace {

// The first channel at `rate`, at most `limit` samples of it.
std::vector<float> first_channel(media::AudioReader& reader, int64_t rate, size_t limit) {
  SincResampler resampler(reader.sample_rate(), rate);
  std::vector<float> samples;
  media::AudioBlock block;
  bool at_end = false;
  while (samples.size() < limit && !at_end) {
    at_end = !reader.next(block);
    if (at_end)
      resampler.finish(samples);
    else
      resampler.push(block.channel(0), samples);
  }
  samples.resize(std::min(samples.size(), limit));
  return samples;
}

}  // namespace

Prepared prepare_mel_audio(media::AudioReader& reader, const MelAudioConfig& config) {
  ISTHMUS_CHECK(config.num_frames >= 1, "at least one frame");
  const FilterBank bank(config.bank);
  const int64_t wanted = bank.window_samples() + (config.num_frames - 1) * bank.shift_samples();
  // The reference takes the mean of all samples of all channels off first. Every frame loses its
  // own mean afterwards, so that changes nothing, and the rest of a long file need not be read.
  const std::vector<float> samples =
      first_channel(reader, config.bank.sample_rate, static_cast<size_t>(wanted));
  if (static_cast<int64_t>(samples.size()) < bank.window_samples())
    throw InputError(fmt::format(
        "{}: {:.1f} ms of sound; at least {:.1f} ms are needed", reader.source(),
        1e3 * static_cast<double>(samples.size()) / static_cast<double>(config.bank.sample_rate),
        config.bank.frame_ms));
  const std::vector<float> rows = bank.energies(samples);
  const int64_t bins = bank.num_bins(), frames = static_cast<int64_t>(rows.size()) / bins;
  const auto mean = static_cast<float>(config.mean), scale = static_cast<float>(2 * config.std);

  Prepared prepared;
  prepared.modality = Modality::kAudio;
  prepared.shape = {1, bins, config.num_frames};
  prepared.values.assign(static_cast<size_t>(bins * config.num_frames), (0.0f - mean) / scale);
  if (std::all_of(samples.begin(), samples.end(), [](float sample) { return sample == 0; }))
    prepared.notes.push_back("silence: every sample that is heard is 0");
  for (int64_t frame = 0; frame < frames; ++frame)
    for (int64_t bin = 0; bin < bins; ++bin)
      prepared.values[static_cast<size_t>(bin * config.num_frames + frame)] =
          (rows[static_cast<size_t>(frame * bins + bin)] - mean) / scale;
  return prepared;
}

}  // namespace isthmus::modalities
