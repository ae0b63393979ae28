// Videos from files: any frame by its number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "media/image.h"
#include "media/time_range.h"

namespace isthmus::media {

struct VideoLimits {
  int64_t max_frames = int64_t{1} << 23;  // 77 hours at 30 per second
};

// Whatever libav reads: mp4, mkv, webm, avi, mov, ts, animated GIF … Opening reads the file once
// for the times of its frames and decodes nothing; a frame is found by searching the key frame
// before it and decoding from there. Holds one decoded frame at a time, however long the file is.
// One object serves one thread at a time.
class VideoReader {
 public:
  // Only the frames that are first shown inside `range` count. Throws UsageError if the range is
  // none; InputError if the file cannot be read, holds no video, is cut short, or has no frame
  // inside the range; UnsupportedError for codings this libav does not read.
  explicit VideoReader(const std::filesystem::path& file, const TimeRange& range = {},
                       const VideoLimits& limits = {});
  // From bytes, which must outlive the reader; `source` stands where the file name would.
  VideoReader(std::span<const std::byte> bytes, std::string source, const TimeRange& range = {},
              const VideoLimits& limits = {});
  ~VideoReader();
  VideoReader(VideoReader&&) noexcept;
  VideoReader& operator=(VideoReader&&) noexcept;

  int64_t num_frames() const;
  double frames_per_second() const;  // the average that the file announces
  double duration() const;           // num_frames / frames_per_second, in seconds, as decord has it
  int64_t width() const;             // of a frame, turned as the file asks
  int64_t height() const;
  const std::string& source() const;

  // Frame `index`, 0 <= index < num_frames(), in the order in which frames are shown: RGB as
  // libswscale converts it, turned by 90, 180 or 270 degrees if the file asks for that. Frames that
  // change their size have that of the first. Throws InputError where the file is damaged.
  Image frame(int64_t index);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace isthmus::media
