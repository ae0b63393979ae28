// Sound from files, as a stream of float samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "media/time_range.h"

namespace isthmus::media {

// Samples that follow each other, channel after channel: samples.size() == channels * frames.
struct AudioBlock {
  int64_t channels = 0;
  int64_t frames = 0;
  std::vector<float> samples;

  std::span<const float> channel(int64_t index) const {
    return std::span(samples).subspan(static_cast<size_t>(index * frames),
                                      static_cast<size_t>(frames));
  }
};

// Whatever libav reads: wav, flac, mp3, ogg, m4a, the sound of videos … at the rate and with the
// channels of the file. Integers become floats as value / 2^(bits - 1), so within [-1, 1]; floats
// stay as they are. Holds one block at a time, however long the file is.
class AudioReader {
 public:
  // Throws UsageError if the range is none; InputError if the file cannot be read, holds no sound,
  // or ends before the range starts; UnsupportedError for codings this libav does not read.
  explicit AudioReader(const std::filesystem::path& file, const TimeRange& range = {});
  // From bytes, which must outlive the reader; `source` stands where the file name would.
  AudioReader(std::span<const std::byte> bytes, std::string source, const TimeRange& range = {});
  ~AudioReader();
  AudioReader(AudioReader&&) noexcept;
  AudioReader& operator=(AudioReader&&) noexcept;

  int64_t sample_rate() const;  // per second and channel
  int64_t channels() const;
  const std::string& source() const;

  // The next samples, at least one per channel; false at the end of the range or of the sound.
  // Throws InputError where the file is damaged, ends long before the length it announces, changes
  // its rate or channels, or holds a float that is not a number.
  bool next(AudioBlock& block);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace isthmus::media
