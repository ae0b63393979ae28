#include "media/libav.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include <fmt/format.h>
extern "C" {
#include <libavutil/intreadwrite.h>
}

#include "isthmus/error.h"

namespace isthmus::media {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 27;  // of a frame: 16384 x 8192

std::string text_of(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

std::string_view name_of(AVMediaType kind) {
  return kind == AVMEDIA_TYPE_AUDIO ? "sound" : "video";
}

// Where libav's bytes come from: a file, read piece by piece, or memory.
struct Bytes {
  std::ifstream file;
  std::span<const std::byte> memory;
  int64_t size = 0, position = 0;

  int read(uint8_t* out, int wanted) {
    const auto count = static_cast<int>(std::min<int64_t>(wanted, size - position));
    if (count <= 0) return AVERROR_EOF;
    if (file.is_open()) {
      file.clear();
      file.seekg(position);
      file.read(reinterpret_cast<char*>(out), count);
      if (file.gcount() == 0) return AVERROR_EOF;
      position += file.gcount();
      return static_cast<int>(file.gcount());
    }
    std::memcpy(out, memory.data() + position, static_cast<size_t>(count));
    position += count;
    return count;
  }

  int64_t seek(int64_t offset, int whence) {
    if (whence == AVSEEK_SIZE) return size;
    const int64_t base = whence == SEEK_CUR ? position : whence == SEEK_END ? size : 0;
    const int64_t target = base + offset;
    if (target < 0 || target > size) return AVERROR(EINVAL);
    return position = target;
  }
};

int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EPERM);
}

// "video (h264), sound (aac)".
std::string contents_of(const AVFormatContext& format) {
  std::string text;
  for (unsigned i = 0; i < format.nb_streams; ++i) {
    const AVCodecParameters& codec = *format.streams[i]->codecpar;
    if (codec.codec_type != AVMEDIA_TYPE_AUDIO && codec.codec_type != AVMEDIA_TYPE_VIDEO) continue;
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name_of(codec.codec_type),
                        avcodec_get_name(codec.codec_id));
  }
  return text.empty() ? "neither sound nor video" : text;
}

// libav shows pictures and coloured text as videos too.
void refuse_stills(const AVFormatContext& format, const AVStream& stream,
                   const std::string& source) {
  const std::string_view name = format.iformat->name;
  const std::string_view codec = avcodec_get_name(stream.codecpar->codec_id);
  if ((stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0)
    throw InputError(
        fmt::format("{}: no video in this file; it holds {} and a cover picture", source, name));
  if (name.ends_with("_pipe") || name.starts_with("image2"))
    throw InputError(fmt::format("{}: a picture ({}), not a video", source, codec));
  constexpr std::array<std::string_view, 5> kText = {"tty", "bin", "xbin", "adf", "idf"};
  if (std::find(kText.begin(), kText.end(), name) != kText.end())
    throw InputError(source + ": text, not a video");
}

}  // namespace

struct LibavStream::State {
  std::string source;
  Bytes bytes;
  AVIOContext* io = nullptr;
  AVFormatContext* format = nullptr;
  AVCodecContext* decoder = nullptr;
  AVPacket* packet = nullptr;
  AVFrame* frame = nullptr;
  AVStream* stream = nullptr;
  bool drained = false;    // the decoder has been told that nothing follows
  bool any_frame = false;  // since the start or the last seek
  bool damaged = false;    // a packet after the last frame could not be decoded

  ~State() {
    av_frame_free(&frame);
    av_packet_free(&packet);
    avcodec_free_context(&decoder);
    avformat_close_input(&format);
    if (io != nullptr) av_freep(&io->buffer);
    avio_context_free(&io);
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw InputError(fmt::format("{}: {}", source, what));
  }

  void open(AVMediaType kind) {
    av_log_set_level(AV_LOG_QUIET);  // libav would print to stderr; errors come as values as well
    if (bytes.size == 0) fail(fmt::format("the file is empty; expected {}", name_of(kind)));
    constexpr int kBufferSize = 1 << 16;
    auto* buffer = static_cast<uint8_t*>(av_malloc(kBufferSize));
    io = avio_alloc_context(
        buffer, kBufferSize, 0, &bytes,
        [](void* data, uint8_t* out, int size) {
          return static_cast<Bytes*>(data)->read(out, size);
        },
        nullptr,
        [](void* data, int64_t offset, int whence) {
          return static_cast<Bytes*>(data)->seek(offset, whence & ~AVSEEK_FORCE);
        });
    format = avformat_alloc_context();
    packet = av_packet_alloc();
    frame = av_frame_alloc();
    if (io == nullptr || format == nullptr || packet == nullptr || frame == nullptr)
      throw ResourceError(source + ": no memory to open it");
    format->pb = io;
    format->io_open = refuse_to_open;
    // The name is a hint only, for formats without a mark of their own. On failure libav frees the
    // context.
    if (const int error = avformat_open_input(&format, source.c_str(), nullptr, nullptr); error < 0)
      fail(fmt::format("not a {} file this build reads, or broken at its beginning ({})",
                       name_of(kind), text_of(error)));
    if (const int error = avformat_find_stream_info(format, nullptr); error < 0)
      fail(fmt::format("broken {} file: {}", format->iformat->name, text_of(error)));
    choose_stream(kind);
  }

  void choose_stream(AVMediaType kind) {
    const AVCodec* codec = nullptr;
    const int index = av_find_best_stream(format, kind, -1, -1, &codec, 0);
    if (index == AVERROR_STREAM_NOT_FOUND)
      fail(fmt::format("no {} in this file; it holds {}", name_of(kind), contents_of(*format)));
    if (index < 0)
      throw UnsupportedError(fmt::format("{}: its {} is coded in a way that is not read ({})",
                                         source, name_of(kind), contents_of(*format)));
    stream = format->streams[index];
    if (kind == AVMEDIA_TYPE_VIDEO) refuse_stills(*format, *stream, source);
    for (unsigned i = 0; i < format->nb_streams; ++i)
      format->streams[i]->discard =
          static_cast<int>(i) == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    decoder = avcodec_alloc_context3(codec);
    if (decoder == nullptr) throw ResourceError(source + ": no memory to decode it");
    int error = avcodec_parameters_to_context(decoder, stream->codecpar);
    decoder->pkt_timebase = stream->time_base;
    decoder->max_pixels = kMaxPixels;
    if (error >= 0) error = avcodec_open2(decoder, codec, nullptr);
    if (error < 0)
      fail(fmt::format("the {} decoder cannot start: {}",
                       avcodec_get_name(stream->codecpar->codec_id), text_of(error)));
  }

  // libav forgets the length in a wav file's header when the file is shorter. Programs that write
  // to a pipe put nothing there, or almost the greatest number.
  std::optional<double> announced_by_riff() {
    constexpr int64_t kHeader = 36, kUnknown = 0x7ff00000;
    const int64_t here = bytes.position;
    uint8_t size[4] = {};
    bytes.position = 4;
    bytes.read(size, sizeof size);
    bytes.position = here;
    const int64_t announced = AV_RL32(size);
    const int64_t bit_rate = stream->codecpar->bit_rate;
    if (announced <= kHeader || announced >= kUnknown || bit_rate <= 0) return std::nullopt;
    return static_cast<double>(announced - kHeader) * 8 / static_cast<double>(bit_rate);
  }

  // False at the end of the file.
  bool feed() {
    for (;;) {
      av_packet_unref(packet);
      const int error = av_read_frame(format, packet);
      if (error == AVERROR(EAGAIN)) continue;
      if (error < 0) {  // a broken end reads like the end: announced_seconds() tells them apart
        avcodec_send_packet(decoder, nullptr);
        return false;
      }
      if (packet->stream_index != stream->index) continue;
      if (avcodec_send_packet(decoder, packet) < 0) damaged = true;
      return true;
    }
  }
};

LibavStream::LibavStream(const std::filesystem::path& file, AVMediaType kind)
    : state_(std::make_unique<State>()) {
  state_->source = file.string();
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) state_->fail("no such file");
  if (!std::filesystem::is_regular_file(status))
    state_->fail(fmt::format("not a regular file; expected {}", name_of(kind)));
  Bytes& bytes = state_->bytes;
  bytes.file.open(file, std::ios::binary | std::ios::ate);
  bytes.size = bytes.file ? static_cast<int64_t>(bytes.file.tellg()) : -1;
  if (bytes.size < 0) state_->fail("cannot be opened for reading");
  state_->open(kind);
}

LibavStream::LibavStream(std::span<const std::byte> bytes, std::string source, AVMediaType kind)
    : state_(std::make_unique<State>()) {
  state_->source = std::move(source);
  state_->bytes.memory = bytes;
  state_->bytes.size = static_cast<int64_t>(bytes.size());
  state_->open(kind);
}

LibavStream::~LibavStream() = default;

const AVFrame* LibavStream::next() {
  State& s = *state_;
  for (;;) {
    const int error = avcodec_receive_frame(s.decoder, s.frame);
    if (error >= 0) {
      if (s.damaged && s.any_frame) {
        const auto time = time_of(*s.frame);
        s.fail(fmt::format("damaged{}: a part of it cannot be decoded",
                           time ? fmt::format(" before second {:.2f}", *time) : ""));
      }
      s.any_frame = true;
      s.damaged = false;
      return s.frame;
    }
    if (error == AVERROR_EOF) return nullptr;
    if (error != AVERROR(EAGAIN)) s.damaged = true;
    if (s.drained) return nullptr;
    s.drained = !s.feed();
  }
}

bool LibavStream::seek(double seconds) {
  const AVStream& stream = *state_->stream;
  const int64_t start = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
  return seek_to(start + static_cast<int64_t>(seconds / av_q2d(stream.time_base)));
}

bool LibavStream::seek_to(int64_t time) {
  State& s = *state_;
  if (av_seek_frame(s.format, s.stream->index, time, AVSEEK_FLAG_BACKWARD) < 0) return false;
  avcodec_flush_buffers(s.decoder);
  s.drained = s.any_frame = s.damaged = false;
  return true;
}

std::vector<PacketTime> LibavStream::read_packet_times(int64_t max_packets) {
  State& s = *state_;
  // What the file announces holds for the longest of its streams, so all of them are read.
  for (unsigned i = 0; i < s.format->nb_streams; ++i)
    s.format->streams[i]->discard = AVDISCARD_NONE;
  std::vector<PacketTime> packets;
  double end = 0;  // of the latest packet of any stream, in seconds
  bool cut = false;
  for (;;) {
    av_packet_unref(s.packet);
    const int error = av_read_frame(s.format, s.packet);
    if (error == AVERROR(EAGAIN)) continue;
    if (error < 0) break;  // of a broken end, the announced length tells
    const AVPacket& packet = *s.packet;
    const int64_t time = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    const AVRational& base = s.format->streams[packet.stream_index]->time_base;
    if (time != AV_NOPTS_VALUE)
      end = std::max(
          end, static_cast<double>(time + std::max<int64_t>(0, packet.duration)) * av_q2d(base));
    cut = (packet.flags & AV_PKT_FLAG_CORRUPT) != 0;
    if (packet.stream_index != s.stream->index || (packet.flags & AV_PKT_FLAG_DISCARD) != 0)
      continue;
    PacketTime entry;
    if (packet.pts != AV_NOPTS_VALUE) entry.shown = packet.pts;
    entry.key = (packet.flags & AV_PKT_FLAG_KEY) != 0;
    entry.search = packet.dts != AV_NOPTS_VALUE ? packet.dts : packet.pts;
    packets.push_back(entry);
    if (static_cast<int64_t>(packets.size()) > max_packets)
      fail(fmt::format("more than {} frames; the limit. Cut it into pieces first", max_packets));
  }
  for (unsigned i = 0; i < s.format->nb_streams; ++i)
    if (static_cast<int>(i) != s.stream->index) s.format->streams[i]->discard = AVDISCARD_ALL;
  if (s.format->duration_estimation_method == AVFMT_DURATION_FROM_STREAM &&
      s.format->duration != AV_NOPTS_VALUE) {
    constexpr double kSlack = 0.25;  // seconds; encoders and containers count differently
    const double start = s.format->start_time == AV_NOPTS_VALUE
                             ? 0
                             : static_cast<double>(s.format->start_time) / AV_TIME_BASE;
    const double announced = static_cast<double>(s.format->duration) / AV_TIME_BASE;
    if (cut || end - start < announced - kSlack)
      fail(fmt::format("truncated: it announces {:.2f} seconds and ends after {:.2f}", announced,
                       end - start));
  }
  return packets;
}

std::optional<double> LibavStream::time_of(const AVFrame& frame) const {
  if (frame.best_effort_timestamp == AV_NOPTS_VALUE) return std::nullopt;
  const AVStream& stream = *state_->stream;
  const int64_t start = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
  return static_cast<double>(frame.best_effort_timestamp - start) * av_q2d(stream.time_base);
}

std::optional<double> LibavStream::announced_seconds() const {
  const AVStream& stream = *state_->stream;
  const AVFormatContext& format = *state_->format;
  // Otherwise the duration is guessed from the bit rate.
  const bool told = format.duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  if (!told && std::string_view(format.iformat->name) == "wav") return state_->announced_by_riff();
  if (!told || stream.duration == AV_NOPTS_VALUE) return std::nullopt;
  // Some count the delay of the encoder before the first sample.
  const int64_t before =
      stream.start_time == AV_NOPTS_VALUE ? 0 : std::max<int64_t>(0, stream.start_time);
  return static_cast<double>(stream.duration - before) * av_q2d(stream.time_base);
}

const std::string& LibavStream::source() const { return state_->source; }
const AVStream& LibavStream::stream() const { return *state_->stream; }
const AVCodecContext& LibavStream::decoder() const { return *state_->decoder; }
void LibavStream::fail(std::string_view what) const { state_->fail(what); }

}  // namespace isthmus::media
