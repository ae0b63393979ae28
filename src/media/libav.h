// Sound and video files through libav: one stream of a file, frame by frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace isthmus::media {

// When a packet's frame is shown, in units of the stream's time base, if the file tells; whether
// decoding can start with it; and what to search for to find it.
struct PacketTime {
  std::optional<int64_t> shown;
  bool key = false;
  int64_t search = AV_NOPTS_VALUE;
};

// Reads nothing but the one file: playlists and other formats that name further files or addresses
// are refused. One object serves one thread at a time.
class LibavStream {
 public:
  // Opens the best stream of `kind`: AVMEDIA_TYPE_AUDIO or AVMEDIA_TYPE_VIDEO. Throws InputError if
  // the file cannot be read, is in no known format, or has no such stream; UnsupportedError if it
  // is coded in a way that this libav does not read.
  LibavStream(const std::filesystem::path& file, AVMediaType kind);
  // The same from bytes, which must outlive the stream; `source` stands where the file name would.
  LibavStream(std::span<const std::byte> bytes, std::string source, AVMediaType kind);
  ~LibavStream();
  LibavStream(const LibavStream&) = delete;
  LibavStream& operator=(const LibavStream&) = delete;

  // The next decoded frame, valid until the next call; nullptr at the end. Throws InputError where
  // the file is damaged; packets before the first frame and behind the last may be.
  const AVFrame* next();
  // Continues with a frame at or before `seconds` after the first one. False if the file cannot be
  // searched; then nothing has changed.
  bool seek(double seconds);
  // The same with a time in units of the stream's time base.
  bool seek_to(int64_t time);
  // Every packet of the stream, in the order of the file; nothing is decoded, and the stream is at
  // its end afterwards. Throws InputError if there are more than `max_packets`, or if the file ends
  // before the length it announces.
  std::vector<PacketTime> read_packet_times(int64_t max_packets);
  // Seconds from the start of the stream to that of `frame`, if the file tells.
  std::optional<double> time_of(const AVFrame& frame) const;
  // What the file says about the length of the stream, if it does.
  std::optional<double> announced_seconds() const;

  const std::string& source() const;
  const AVCodecContext& decoder() const;
  const AVStream& stream() const;
  // "<source>: <what>", an InputError.
  [[noreturn]] void fail(std::string_view what) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace isthmus::media
