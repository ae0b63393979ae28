#include "media/video.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
extern "C" {
#include <libavutil/display.h>
#include <libswscale/swscale.h>
}

#include "base/check.h"
#include "isthmus/error.h"
#include "media/libav.h"

namespace isthmus::media {
namespace {

// Clockwise, in degrees below 360: 0 unless the file asks for a quarter, half or three quarter
// turn.
int rotation_of(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
  const AVPacketSideData* data =
      av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
                              AV_PKT_DATA_DISPLAYMATRIX);
  const uint8_t* bytes = data == nullptr ? nullptr : data->data;
  const size_t size = data == nullptr ? 0 : data->size;
#else
  size_t size = 0;
  const uint8_t* bytes = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
#endif
  constexpr size_t kMatrixSize = 9 * sizeof(int32_t);
  if (bytes == nullptr || size < kMatrixSize) return 0;
  const double angle = -av_display_rotation_get(reinterpret_cast<const int32_t*>(bytes));
  if (!std::isfinite(angle)) return 0;
  const int turned = static_cast<int>(std::lround(angle) % 360 + 360) % 360;
  return turned % 90 == 0 ? turned : 0;
}

Image turned_clockwise(Image image, int degrees) {
  if (degrees == 0) return image;
  const bool upright = degrees == 180;
  Image out{upright ? image.width : image.height, upright ? image.height : image.width, 3, {}};
  out.pixels.resize(image.pixels.size());
  for (int64_t y = 0; y < out.height; ++y) {
    uint8_t* to = out.row(y);
    for (int64_t x = 0; x < out.width; ++x, to += 3) {
      const int64_t from_x = degrees == 90    ? y
                             : degrees == 180 ? image.width - 1 - x
                                              : image.width - 1 - y;
      const int64_t from_y = degrees == 90    ? image.height - 1 - x
                             : degrees == 180 ? image.height - 1 - y
                                              : x;
      std::copy_n(image.row(from_y) + from_x * 3, 3, to);
    }
  }
  return out;
}

// Frames of the decoder as RGB, of the size of the first.
class RgbConverter {
 public:
  RgbConverter() = default;
  ~RgbConverter() { sws_freeContext(context_); }
  RgbConverter(const RgbConverter&) = delete;
  RgbConverter& operator=(const RgbConverter&) = delete;

  Image convert(const AVFrame& frame, int width, int height, const LibavStream& stream) {
    // The reference's scaling filter is bilinear; it counts where sizes or chroma must be
    // interpolated, which those of 4:2:0 frames of even height are not.
    context_ = sws_getCachedContext(context_, frame.width, frame.height,
                                    static_cast<AVPixelFormat>(frame.format), width, height,
                                    AV_PIX_FMT_RGB24, SWS_BILINEAR, nullptr, nullptr, nullptr);
    if (context_ == nullptr)
      stream.fail(fmt::format("frames of {}x{} pixels in format {} cannot be converted to RGB",
                              frame.width, frame.height, frame.format));
    set_colours(frame);
    Image image{width, height, 3, {}};
    image.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
    // libswscale writes whole vectors: rows need room behind them.
    constexpr int kAlign = 64;
    const int stride = (width * 3 + kAlign + kAlign - 1) / kAlign * kAlign;
    padded_.resize(static_cast<size_t>(stride) * static_cast<size_t>(height));
    uint8_t* const planes[4] = {padded_.data(), nullptr, nullptr, nullptr};
    const int strides[4] = {stride, 0, 0, 0};
    if (sws_scale(context_, frame.data, frame.linesize, 0, frame.height, planes, strides) != height)
      stream.fail("a frame cannot be converted to RGB");
    for (int y = 0; y < height; ++y)
      std::copy_n(padded_.data() + static_cast<size_t>(y) * static_cast<size_t>(stride), width * 3,
                  image.row(y));
    return image;
  }

 private:
  // What the frame says of itself; BT.601 and studio range if it says nothing.
  void set_colours(const AVFrame& frame) {
    int *source = nullptr, *target = nullptr, source_range = 0, target_range = 0;
    int brightness = 0, contrast = 0, saturation = 0;
    if (sws_getColorspaceDetails(context_, &source, &source_range, &target, &target_range,
                                 &brightness, &contrast, &saturation) < 0)
      return;
    if (frame.color_range != AVCOL_RANGE_UNSPECIFIED)
      source_range = frame.color_range == AVCOL_RANGE_JPEG;
    sws_setColorspaceDetails(context_, sws_getCoefficients(frame.colorspace), source_range, target,
                             target_range, brightness, contrast, saturation);
  }

  SwsContext* context_ = nullptr;
  std::vector<uint8_t> padded_;
};

// When frames are shown and where decoding can start.
struct FrameTimes {
  struct Key {
    int64_t shown, search;
  };
  std::vector<int64_t> shown;  // ascending; empty if the file does not tell
  std::vector<Key> keys;       // ascending
  int64_t count = 0;

  explicit FrameTimes(const std::vector<PacketTime>& packets)
      : count(static_cast<int64_t>(packets.size())) {
    for (const PacketTime& packet : packets) {
      if (!packet.shown) {
        shown.clear();
        keys.clear();
        return;
      }
      shown.push_back(*packet.shown);
      if (packet.key) keys.push_back({*packet.shown, packet.search});
    }
    std::sort(shown.begin(), shown.end());
    // Two halves of an interlaced frame, or a frame that is never shown, share a time.
    shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
    std::sort(keys.begin(), keys.end(),
              [](const Key& a, const Key& b) { return a.shown < b.shown; });
    count = static_cast<int64_t>(shown.size());
  }
};

}  // namespace

struct VideoReader::State {
  using Open = std::function<std::unique_ptr<LibavStream>()>;

  Open open;
  std::unique_ptr<LibavStream> stream;
  FrameTimes times{{}};
  RgbConverter converter;
  int64_t begin = 0, end = 0;         // the frames of the range
  std::optional<int64_t> next_frame;  // what the decoder gives next, if that is known
  double rate = 0;
  int width = 0, height = 0, rotation = 0;

  State(Open opener, const TimeRange& range, const VideoLimits& limits)
      : open(std::move(opener)), stream(open()) {
    times = FrameTimes(stream->read_packet_times(limits.max_frames));
    if (times.count == 0) stream->fail("its video has not one frame");
    const AVRational average = stream->stream().avg_frame_rate;
    const AVRational base = stream->stream().time_base;
    if (average.num > 0 && average.den > 0) {
      rate = av_q2d(average);
    } else if (times.shown.size() > 1) {
      rate = static_cast<double>(times.count - 1) /
             (static_cast<double>(times.shown.back() - times.shown.front()) * av_q2d(base));
    }
    if (!(rate > 0) || !std::isfinite(rate)) stream->fail("it does not tell its frame rate");
    width = stream->decoder().width;
    height = stream->decoder().height;
    if (width < 1 || height < 1)
      stream->fail(fmt::format("its frames are {}x{} pixels", width, height));
    rotation = rotation_of(stream->stream());
    begin = frame_at(range.start);
    end = std::isinf(range.end) ? times.count : frame_at(range.end);
    if (begin >= times.count)
      stream->fail(fmt::format("it ends after {:.2f} seconds, before the range starts at {:.2f}",
                               static_cast<double>(times.count) / rate, range.start));
    if (begin >= end)
      stream->fail(
          fmt::format("no frame starts between {} and {} seconds; it has {:.3g} per second",
                      range.start, range.end, rate));
  }

  // The first frame that is shown at or after `seconds`.
  int64_t frame_at(double seconds) const {
    const double unit = av_q2d(stream->stream().time_base);
    if (times.shown.empty())
      return static_cast<int64_t>(
          std::ceil(std::min(seconds * rate, static_cast<double>(times.count))));
    const auto found = std::lower_bound(
        times.shown.begin(), times.shown.end(), seconds, [&](int64_t time, double wanted) {
          return static_cast<double>(time - times.shown.front()) * unit < wanted;
        });
    return found - times.shown.begin();
  }

  void restart() {
    stream = open();
    next_frame = 0;
  }

  const AVFrame& decode_by_count(int64_t index) {
    if (!next_frame || *next_frame > index) restart();
    const AVFrame* frame = nullptr;
    do {
      frame = stream->next();
      if (frame == nullptr)
        stream->fail(fmt::format("frame {} of {} cannot be decoded: only {} can", index,
                                 times.count, *next_frame));
    } while ((*next_frame)++ < index);
    return *frame;
  }

  // The decoder continues with a frame at or before frame `index` if the file allows searching;
  // `back` key frames earlier than the nearest. True if it starts from the beginning.
  bool approach(int64_t index, size_t back) {
    const int64_t wanted = times.shown[static_cast<size_t>(index)];
    const auto after =
        std::upper_bound(times.keys.begin(), times.keys.end(), wanted,
                         [](int64_t time, const FrameTimes::Key& key) { return time < key.shown; });
    const auto before = static_cast<size_t>(after - times.keys.begin());
    // The first key frame needs no search, and nothing precedes what the decoder has passed.
    if (before > back + 1) {
      const FrameTimes::Key& key = times.keys[before - 1 - back];
      const bool on_the_way = back == 0 && next_frame && *next_frame <= index &&
                              times.shown[static_cast<size_t>(*next_frame)] >= key.shown;
      if (on_the_way) return false;
      next_frame.reset();
      if (key.search != AV_NOPTS_VALUE && stream->seek_to(key.search)) return false;
    } else if (back == 0 && next_frame && *next_frame <= index) {
      return false;
    }
    restart();
    return true;
  }

  const AVFrame& decode_by_time(int64_t index) {
    const int64_t wanted = times.shown[static_cast<size_t>(index)];
    for (size_t back = 0;; back = 2 * back + 1) {
      const bool from_start = approach(index, back);
      const bool known = next_frame.has_value();
      bool earlier = known;  // whether the decoder has been seen at or before the frame
      const AVFrame* frame = stream->next();
      while (frame != nullptr && frame->best_effort_timestamp != AV_NOPTS_VALUE &&
             frame->best_effort_timestamp < wanted) {
        earlier = true;
        frame = stream->next();
      }
      if (frame != nullptr && frame->best_effort_timestamp != AV_NOPTS_VALUE &&
          (earlier || from_start || frame->best_effort_timestamp == wanted)) {
        next_frame =
            std::upper_bound(times.shown.begin(), times.shown.end(), frame->best_effort_timestamp) -
            times.shown.begin();
        if (*next_frame == times.count) next_frame.reset();
        return *frame;
      }
      if (from_start)
        stream->fail(fmt::format("frame {} of {} cannot be decoded", index, times.count));
      next_frame.reset();
    }
  }

  Image frame(int64_t index) {
    const AVFrame& frame = times.shown.empty() ? decode_by_count(index) : decode_by_time(index);
    return turned_clockwise(converter.convert(frame, width, height, *stream), rotation);
  }
};

VideoReader::VideoReader(const std::filesystem::path& file, const TimeRange& range,
                         const VideoLimits& limits) {
  range.check();
  state_ = std::make_unique<State>(
      [file] { return std::make_unique<LibavStream>(file, AVMEDIA_TYPE_VIDEO); }, range, limits);
}

VideoReader::VideoReader(std::span<const std::byte> bytes, std::string source,
                         const TimeRange& range, const VideoLimits& limits) {
  range.check();
  state_ = std::make_unique<State>(
      [bytes, source] { return std::make_unique<LibavStream>(bytes, source, AVMEDIA_TYPE_VIDEO); },
      range, limits);
}

VideoReader::~VideoReader() = default;
VideoReader::VideoReader(VideoReader&&) noexcept = default;
VideoReader& VideoReader::operator=(VideoReader&&) noexcept = default;

int64_t VideoReader::num_frames() const { return state_->end - state_->begin; }
double VideoReader::frames_per_second() const { return state_->rate; }
double VideoReader::duration() const { return static_cast<double>(num_frames()) / state_->rate; }
int64_t VideoReader::width() const {
  return state_->rotation % 180 == 0 ? state_->width : state_->height;
}
int64_t VideoReader::height() const {
  return state_->rotation % 180 == 0 ? state_->height : state_->width;
}
const std::string& VideoReader::source() const { return state_->stream->source(); }

Image VideoReader::frame(int64_t index) {
  ISTHMUS_CHECK(index >= 0 && index < num_frames(),
                fmt::format("frame {} of {}", index, num_frames()));
  return state_->frame(state_->begin + index);
}

}  // namespace isthmus::media
