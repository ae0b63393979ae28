#include "modalities/video_clips.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::modalities {
namespace {

using media::Image;

// The nearest double to seconds * numerator / denominator, computed exactly in between. A double of
// at least 2^-52, or 0, is a whole number of 2^-52; the length of a video less a second is one.
double fraction_of(double seconds, int64_t numerator, int64_t denominator) {
  __extension__ using Wide = unsigned __int128;
  constexpr int kUnit = 52;
  const auto units = static_cast<Wide>(std::ldexp(seconds, kUnit)) * static_cast<Wide>(numerator);
  constexpr int kExtra = 8;  // bits, the last of which tells that the division left something
  const Wide shifted = units << kExtra, divisor = static_cast<Wide>(denominator);
  const Wide quotient = shifted / divisor | (shifted % divisor != 0 ? 1 : 0);
  return std::ldexp(static_cast<double>(quotient), -(kUnit + kExtra));
}

// Output pixel i of an axis is input[low[i]] * (1 - weight[i]) + input[high[i]] * weight[i].
struct Axis {
  std::vector<int64_t> low, high;
  std::vector<float> weight;
};

// For outputs begin … begin + count of an axis resized from `in` to `out`, as torch's interpolate
// (bilinear, align_corners=False) in float.
Axis axis_of(int64_t in, int64_t out, int64_t begin, int64_t count) {
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  Axis axis;
  for (int64_t i = begin; i < begin + count; ++i) {
    const float at = std::max(0.0f, scale * (static_cast<float>(i) + 0.5f) - 0.5f);
    const int64_t low = std::min(static_cast<int64_t>(at), in - 1);
    axis.low.push_back(low);
    axis.high.push_back(std::min(low + 1, in - 1));
    axis.weight.push_back(in == out ? 0.0f : std::clamp(at - static_cast<float>(low), 0.0f, 1.0f));
  }
  return axis;
}

struct Views {
  int64_t width, height;  // of the resized frame
  std::array<int64_t, 3> left, top;
};

Views views_of(int64_t width, int64_t height, int64_t size) {
  const auto longer = [&](int64_t a, int64_t b) {
    const double exact =
        std::floor(static_cast<double>(a) / static_cast<double>(b) * static_cast<double>(size));
    constexpr double kLongest = 1 << 24;  // floats count pixels exactly up to here
    if (exact > kLongest)
      throw InputError(fmt::format(
          "a video of {}x{} pixels is {:.0f} pixels long when its shorter side is resized to {}; "
          "the limit is {:.0f}",
          width, height, exact, size, kLongest));
    return std::max(size, static_cast<int64_t>(exact));
  };
  Views views{};
  views.width = width <= height ? size : longer(width, height);
  views.height = width <= height ? longer(height, width) : size;
  const int64_t middle_x = (views.width - size + 1) / 2, middle_y = (views.height - size + 1) / 2;
  views.left.fill(middle_x);
  views.top.fill(middle_y);
  if (height > width) {
    views.top = {0, middle_y, views.height - size};
  } else {
    views.left = {0, middle_x, views.width - size};
  }
  return views;
}

// One view of the frame, [3, S, S].
void write_view(const Image& frame, const Views& views, size_t view, const VideoClipsConfig& config,
                float* out) {
  const int64_t size = config.image_size;
  const Axis x = axis_of(frame.width, views.width, views.left[view], size);
  const Axis y = axis_of(frame.height, views.height, views.top[view], size);
  for (size_t c = 0; c < 3; ++c) {
    const auto mean = static_cast<float>(config.mean[c]), std = static_cast<float>(config.std[c]);
    std::array<float, 256> level;
    for (size_t byte = 0; byte < 256; ++byte) level[byte] = static_cast<float>(byte) / 255.0f;
    for (size_t i = 0; i < static_cast<size_t>(size); ++i) {
      const uint8_t* upper = frame.row(y.low[i]) + c;
      const uint8_t* lower = frame.row(y.high[i]) + c;
      const float down = y.weight[i], up = 1.0f - down;
      for (size_t j = 0; j < static_cast<size_t>(size); ++j) {
        const int64_t low = x.low[j] * 3, high = x.high[j] * 3;
        const float right = x.weight[j], left = 1.0f - right;
        const float value = up * (left * level[upper[low]] + right * level[upper[high]]) +
                            down * (left * level[lower[low]] + right * level[lower[high]]);
        *out++ = (value - mean) / std;
      }
    }
  }
}

}  // namespace

std::vector<int64_t> clip_frames(int64_t num_frames, double frames_per_second, int64_t num_clips) {
  const double duration = static_cast<double>(num_frames) / frames_per_second;
  constexpr double kLongest = 1e12;  // seconds; keeps the fraction within 128 bits
  const double latest = std::min(std::max(duration - 1.0, 0.0), kLongest);
  std::vector<int64_t> frames;
  for (int64_t k = 0; k < num_clips; ++k) {
    const double first = std::ceil(frames_per_second * fraction_of(latest, k, num_clips));
    // Below one frame per second a clip may hold none; the reference fails there.
    frames.push_back(static_cast<int64_t>(std::min(first, static_cast<double>(num_frames - 1))));
  }
  return frames;
}

Prepared prepare_video_clips(media::VideoReader& reader, const VideoClipsConfig& config) {
  ISTHMUS_CHECK(config.num_clips >= 1 && config.image_size >= 1, "at least one clip and one pixel");
  const int64_t size = config.image_size;
  const auto view_values = static_cast<size_t>(3 * size * size);
  const Views views = views_of(reader.width(), reader.height(), size);
  Prepared prepared;
  prepared.modality = Modality::kVideo;
  prepared.shape = {3 * config.num_clips, 3, size, size};
  for (size_t c = 0; c < 3; ++c) {
    prepared.mean[c] = static_cast<float>(config.mean[c]);
    prepared.deviation[c] = static_cast<float>(config.std[c]);
  }
  prepared.values.resize(3 * static_cast<size_t>(config.num_clips) * view_values);
  float* out = prepared.values.data();
  int64_t previous = -1;
  for (const int64_t index :
       clip_frames(reader.num_frames(), reader.frames_per_second(), config.num_clips)) {
    if (index == previous) {
      std::copy_n(out - 3 * view_values, 3 * view_values, out);
      out += 3 * view_values;
      continue;
    }
    const Image frame = reader.frame(index);
    for (size_t view = 0; view < 3; ++view, out += view_values)
      write_view(frame, views, view, config, out);
    previous = index;
  }
  return prepared;
}

}  // namespace isthmus::modalities
