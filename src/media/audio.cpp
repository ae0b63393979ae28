#include "media/audio.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"
#include "media/libav.h"

namespace isthmus::media {
namespace {

// Decoders that predict from what came before need a little of it to be exact again.
constexpr double kPrerollSeconds = 1.0;
// How much less than announced may be there: encoders count the delay of their filters in or out.
constexpr double kEncodedSlack = 0.25, kPlainSlack = 0.01;

template <typename Sample>
float to_float(Sample sample) {
  if constexpr (std::is_floating_point_v<Sample>) return static_cast<float>(sample);
  constexpr double kScale = 1.0 / (uint64_t{1} << (8 * sizeof(Sample) - 1));
  if constexpr (std::is_unsigned_v<Sample>)
    return static_cast<float>((static_cast<double>(sample) - 128) * kScale);
  else
    return static_cast<float>(static_cast<double>(sample) * kScale);
}

// Samples `first` … `first + count` of a frame, of every channel.
template <typename Sample>
void append_samples(const AVFrame& frame, int64_t first, int64_t count, float* out) {
  const int channels = frame.ch_layout.nb_channels;
  const bool planar = av_sample_fmt_is_planar(static_cast<AVSampleFormat>(frame.format)) != 0;
  const int64_t stride = planar ? 1 : channels;
  for (int c = 0; c < channels; ++c) {
    const auto* plane = reinterpret_cast<const Sample*>(frame.extended_data[planar ? c : 0]);
    const Sample* in = plane + first * stride + (planar ? 0 : c);
    for (int64_t i = 0; i < count; ++i) *out++ = to_float(in[i * stride]);
  }
}

}  // namespace

struct AudioReader::State {
  std::unique_ptr<LibavStream> stream;
  int64_t sample_rate = 0, channels = 0;
  int64_t position = 0;  // of the next decoded sample, in the whole sound
  int64_t begin = 0, end = 0;
  bool placed = true;  // whether `position` is known
  bool finished = false;

  State(std::unique_ptr<LibavStream> opened, const TimeRange& range) : stream(std::move(opened)) {
    sample_rate = stream->decoder().sample_rate;
    channels = stream->decoder().ch_layout.nb_channels;
    // Lower rates than any recording's would make huge inputs of small files.
    constexpr int64_t kMinRate = 1000, kMaxRate = 1'000'000;
    if (sample_rate < kMinRate || sample_rate > kMaxRate || channels < 1)
      stream->fail(fmt::format("{} samples per second in {} channels; expected {} to {}",
                               sample_rate, channels, kMinRate, kMaxRate));
    constexpr double kLongest = 1e12;  // in samples; keeps the conversion defined
    const auto sample_at = [&](double seconds) {
      return static_cast<int64_t>(
          std::round(std::min(seconds * static_cast<double>(sample_rate), kLongest)));
    };
    begin = sample_at(range.start);
    end = sample_at(range.end);
    if (range.start > kPrerollSeconds && stream->seek(range.start - kPrerollSeconds))
      placed = false;
  }

  // Of the first frame after a search. False if the file tells no times: then all of it is read.
  bool place(const AVFrame& frame) {
    placed = true;
    if (const auto time = stream->time_of(frame)) {
      position = static_cast<int64_t>(std::round(*time * static_cast<double>(sample_rate)));
      return true;
    }
    if (!stream->seek(0)) stream->fail("cannot be searched for the start of the range");
    return false;
  }

  void end_of_sound() {
    finished = true;
    if (!placed) stream->fail("its sound ends before the range starts");
    const double seconds = static_cast<double>(position) / static_cast<double>(sample_rate);
    const auto announced = stream->announced_seconds();
    const bool plain = av_get_exact_bits_per_sample(stream->decoder().codec_id) > 0;
    if (announced && seconds < *announced - (plain ? kPlainSlack : kEncodedSlack))
      stream->fail(
          fmt::format("truncated: it announces {:.2f} seconds of sound and ends after {:.2f}",
                      *announced, seconds));
    if (position == 0) stream->fail("holds no sound: not one sample");
    if (position <= begin)
      stream->fail(
          fmt::format("its sound ends after {:.2f} seconds, before the range starts at {:.2f}",
                      seconds, static_cast<double>(begin) / static_cast<double>(sample_rate)));
  }

  void convert(const AVFrame& frame, int64_t first, int64_t count, AudioBlock& block) const {
    block.channels = channels;
    block.frames = count;
    block.samples.resize(static_cast<size_t>(channels * count));
    float* out = block.samples.data();
    switch (av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format))) {
      case AV_SAMPLE_FMT_U8: append_samples<uint8_t>(frame, first, count, out); break;
      case AV_SAMPLE_FMT_S16: append_samples<int16_t>(frame, first, count, out); break;
      case AV_SAMPLE_FMT_S32: append_samples<int32_t>(frame, first, count, out); break;
      case AV_SAMPLE_FMT_S64: append_samples<int64_t>(frame, first, count, out); break;
      case AV_SAMPLE_FMT_FLT: append_samples<float>(frame, first, count, out); break;
      case AV_SAMPLE_FMT_DBL: append_samples<double>(frame, first, count, out); break;
      default: ISTHMUS_CHECK(false, fmt::format("sample format {}", frame.format));
    }
    for (size_t i = 0; i < block.samples.size(); ++i)
      if (!std::isfinite(block.samples[i]))
        stream->fail(fmt::format("sample {} is {}; expected a finite number",
                                 position + first + static_cast<int64_t>(i) % count,
                                 block.samples[i]));
  }

  bool next(AudioBlock& block) {
    while (!finished) {
      const AVFrame* frame = stream->next();
      if (frame == nullptr) {
        end_of_sound();
        break;
      }
      if (!placed && !place(*frame)) continue;
      if (frame->sample_rate != sample_rate || frame->ch_layout.nb_channels != channels)
        stream->fail(
            fmt::format("its sound changes from {} samples per second in {} channels to {} in {}",
                        sample_rate, channels, frame->sample_rate, frame->ch_layout.nb_channels));
      const int64_t first = std::max<int64_t>(0, begin - position);
      const int64_t last = std::min<int64_t>(frame->nb_samples, end - position);
      if (last > first) convert(*frame, first, last - first, block);
      position += frame->nb_samples;
      finished = position >= end;
      if (last > first) return true;
    }
    return false;
  }
};

AudioReader::AudioReader(const std::filesystem::path& file, const TimeRange& range) {
  range.check();
  state_ = std::make_unique<State>(std::make_unique<LibavStream>(file, AVMEDIA_TYPE_AUDIO), range);
}

AudioReader::AudioReader(std::span<const std::byte> bytes, std::string source,
                         const TimeRange& range) {
  range.check();
  state_ = std::make_unique<State>(
      std::make_unique<LibavStream>(bytes, std::move(source), AVMEDIA_TYPE_AUDIO), range);
}

AudioReader::~AudioReader() = default;
AudioReader::AudioReader(AudioReader&&) noexcept = default;
AudioReader& AudioReader::operator=(AudioReader&&) noexcept = default;

int64_t AudioReader::sample_rate() const { return state_->sample_rate; }
int64_t AudioReader::channels() const { return state_->channels; }
const std::string& AudioReader::source() const { return state_->stream->source(); }
bool AudioReader::next(AudioBlock& block) { return state_->next(block); }

}  // namespace isthmus::media
