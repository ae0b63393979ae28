#include "media/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"

// The inner loop is integer arithmetic, so every instruction set gives the same bytes.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(ISTHMUS_SANITIZE)
#define ISTHMUS_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define ISTHMUS_CLONES
#endif

namespace isthmus::media {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// Output pixel i of an axis is the sum over t of weights[i * max_taps + t] * input[first[i] + t].
struct AxisWeights {
  int64_t max_taps;
  std::vector<int64_t> first, taps;
  std::vector<int32_t> weights;
  int64_t input_begin, input_end;  // of all inputs that count
};

// For outputs begin … begin + count of an axis resized from `in` to `out` (Pillow,
// precompute_coeffs and normalize_coeffs_8bpc). Compiled without contraction into fused
// multiply-adds: the rounding decides.
AxisWeights axis_weights(int64_t in, int64_t out, Filter filter, int64_t begin, int64_t count) {
  const auto kernel = filter == Filter::kBicubic ? bicubic : bilinear;
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = (filter == Filter::kBicubic ? 2.0 : 1.0) * filter_scale;
  const double inverse = 1.0 / filter_scale;
  AxisWeights axis{};
  axis.max_taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  axis.weights.assign(static_cast<size_t>(count * axis.max_taps), 0);
  axis.input_begin = in;
  std::vector<double> exact(static_cast<size_t>(axis.max_taps));
  for (int64_t i = 0; i < count; ++i) {
    const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(centre - support + 0.5));
    const int64_t taps = std::min(in, static_cast<int64_t>(centre + support + 0.5)) - first;
    double sum = 0.0;
    for (int64_t t = 0; t < taps; ++t) {
      exact[static_cast<size_t>(t)] =
          kernel((static_cast<double>(t + first) - centre + 0.5) * inverse);
      sum += exact[static_cast<size_t>(t)];
    }
    int32_t* weights = axis.weights.data() + i * axis.max_taps;
    for (int64_t t = 0; t < taps; ++t) {
      const double weight =
          sum != 0.0 ? exact[static_cast<size_t>(t)] / sum : exact[static_cast<size_t>(t)];
      weights[t] = static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
    }
    axis.first.push_back(first);
    axis.taps.push_back(taps);
    axis.input_begin = std::min(axis.input_begin, first);
    axis.input_end = std::max(axis.input_end, first + taps);
  }
  return axis;
}

// out[l] = clamp to a byte of the sum over t of weights[t] * in[t * stride + l], for l < lanes.
ISTHMUS_CLONES
void weighted_sum(const uint8_t* in, int64_t stride, const int32_t* weights, int64_t taps,
                  uint8_t* out, int64_t lanes) {
  constexpr int64_t kLanes = 32;
  int64_t l = 0;
  for (; l + kLanes <= lanes; l += kLanes) {
    int32_t sums[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) sums[i] = 1 << (kPrecisionBits - 1);
    for (int64_t t = 0; t < taps; ++t) {
      const int32_t weight = weights[t];
      const uint8_t* row = in + t * stride + l;
      for (int64_t i = 0; i < kLanes; ++i) sums[i] += weight * row[i];
    }
    for (int64_t i = 0; i < kLanes; ++i) {
      const int32_t value = sums[i] >> kPrecisionBits;
      out[l + i] = static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
  for (; l < lanes; ++l) {
    int32_t sum = 1 << (kPrecisionBits - 1);
    for (int64_t t = 0; t < taps; ++t) sum += weights[t] * in[t * stride + l];
    out[l] = static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
  }
}

// Copies pixels of kChannels bytes to places `stride` bytes apart.
template <int64_t kChannels>
void scatter(const uint8_t* in, int64_t count, uint8_t* out, int64_t stride) {
  for (int64_t i = 0; i < count; ++i, in += kChannels, out += stride)
    for (int64_t c = 0; c < kChannels; ++c) out[c] = in[c];
}

// Resizes canvas rows to the columns of `window`; the rows keep their height.
class HorizontalPass {
 public:
  HorizontalPass(const Canvas& canvas, int64_t width, Filter filter, const Box& window)
      : canvas_(canvas),
        window_(window),
        channels_(canvas.image.channels),
        unchanged_(canvas.width == width) {
    ISTHMUS_CHECK(channels_ >= 1 && channels_ <= kMaxChannels,
                  fmt::format("pixels of {} channels", channels_));
    const bool bare = canvas.image.width == canvas.width && canvas.image.height == canvas.height;
    ISTHMUS_CHECK(bare || channels_ == 3, "only RGB pictures lie on a canvas of one colour");
    if (!unchanged_) axis_ = axis_weights(canvas.width, width, filter, window.left, window.width);
  }

  // Of canvas rows row_begin … row_end.
  Image run(int64_t row_begin, int64_t row_end) const {
    Image out{window_.width, row_end - row_begin, channels_, {}};
    out.pixels.resize(static_cast<size_t>(out.width * out.height * channels_));
    const int64_t image_begin = std::clamp(canvas_.top, row_begin, row_end);
    const int64_t image_end = std::clamp(canvas_.top + canvas_.image.height, row_begin, row_end);
    if (image_begin > row_begin || image_end < row_end) {  // rows of canvas only are all the same
      std::vector<uint8_t> margin(static_cast<size_t>(window_.width * 3));
      const Image blank = filled_image(canvas_.width, 1, canvas_.colour);
      const uint8_t* row = blank.row(0);
      resize_rows(&row, 1, margin.data(), 0);
      for (int64_t y = row_begin; y < row_end; ++y)
        if (y < image_begin || y >= image_end)
          std::memcpy(out.row(y - row_begin), margin.data(), margin.size());
    }
    std::vector<uint8_t> padded;
    const bool has_margins = canvas_.left > 0 || canvas_.image.width < canvas_.width;
    if (has_margins) padded = filled_image(canvas_.width, kBlock, canvas_.colour).pixels;
    for (int64_t y = image_begin; y < image_end; y += kBlock) {
      const int64_t count = std::min(kBlock, image_end - y);
      const uint8_t* rows[kBlock];
      for (int64_t r = 0; r < count; ++r) {
        rows[r] = canvas_.image.row(y + r - canvas_.top);
        if (!has_margins) continue;
        uint8_t* copy = padded.data() + r * canvas_.width * 3;
        std::memcpy(copy + canvas_.left * 3, rows[r], static_cast<size_t>(canvas_.image.width * 3));
        rows[r] = copy;
      }
      resize_rows(rows, count, out.row(y - row_begin), out.width * channels_);
    }
    return out;
  }

 private:
  static constexpr int64_t kBlock = 32;  // rows done together
  static constexpr int64_t kMaxChannels = 4;

  // Rows are turned into columns of `count` neighbouring rows, so that the sum runs over contiguous
  // lanes.
  void resize_rows(const uint8_t* const* rows, int64_t count, uint8_t* out,
                   int64_t out_stride) const {
    if (unchanged_) {
      for (int64_t r = 0; r < count; ++r)
        std::memcpy(out + r * out_stride, rows[r] + window_.left * channels_,
                    static_cast<size_t>(window_.width * channels_));
      return;
    }
    const int64_t begin = axis_.input_begin, lanes = count * channels_;
    const int64_t inputs = axis_.input_end - begin;
    std::vector<uint8_t> columns(static_cast<size_t>(inputs * lanes));
    for (int64_t r = 0; r < count; ++r) {
      const uint8_t* in = rows[r] + begin * channels_;
      uint8_t* column = columns.data() + r * channels_;
      switch (channels_) {
        case 1: scatter<1>(in, inputs, column, lanes); break;
        case 2: scatter<2>(in, inputs, column, lanes); break;
        case 3: scatter<3>(in, inputs, column, lanes); break;
        default: scatter<4>(in, inputs, column, lanes);
      }
    }
    uint8_t sums[kBlock * kMaxChannels];
    for (int64_t x = 0; x < window_.width; ++x) {
      const auto i = static_cast<size_t>(x);
      weighted_sum(columns.data() + (axis_.first[i] - begin) * lanes, lanes,
                   axis_.weights.data() + x * axis_.max_taps, axis_.taps[i], sums, lanes);
      for (int64_t r = 0; r < count; ++r)
        std::memcpy(out + r * out_stride + x * channels_, sums + r * channels_,
                    static_cast<size_t>(channels_));
    }
  }

  const Canvas& canvas_;
  const Box& window_;
  int64_t channels_;
  bool unchanged_;
  AxisWeights axis_;
};

// For outputs begin … begin + count of an axis. Pillow, ImagingScaleAffine: the coordinate is
// accumulated, not multiplied out.
std::vector<int64_t> nearest_inputs(int64_t in, int64_t out, int64_t begin, int64_t count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  std::vector<int64_t> inputs;
  double position = scale * 0.5;
  for (int64_t i = 0; i < begin + count; ++i, position += scale)
    if (i >= begin) inputs.push_back(std::min(in - 1, static_cast<int64_t>(position)));
  return inputs;
}

Image resize_nearest(const Image& image, int64_t width, int64_t height, const Box& window) {
  const int64_t channels = image.channels;
  Image out{window.width, window.height, channels, {}};
  out.pixels.resize(static_cast<size_t>(out.width * out.height * channels));
  const auto columns = nearest_inputs(image.width, width, window.left, window.width);
  uint8_t* target = out.pixels.data();
  for (const int64_t y : nearest_inputs(image.height, height, window.top, window.height)) {
    for (const int64_t x : columns) {
      std::memcpy(target, image.row(y) + x * channels, static_cast<size_t>(channels));
      target += channels;
    }
  }
  return out;
}

void check_window(int64_t width, int64_t height, const Box& window) {
  ISTHMUS_CHECK(window.left >= 0 && window.top >= 0 && window.width > 0 && window.height > 0 &&
                    window.left + window.width <= width && window.top + window.height <= height,
                "the window lies outside the resized picture");
}

}  // namespace

Image resize(const Image& image, int64_t width, int64_t height, Filter filter) {
  ISTHMUS_CHECK(width > 0 && height > 0, fmt::format("resize to {}x{}", width, height));
  if (image.width == width && image.height == height) return image;
  return resize(image, width, height, filter, {0, 0, width, height});
}

Image resize(const Image& image, int64_t width, int64_t height, Filter filter, const Box& window) {
  if (filter != Filter::kNearest) return resize(bare_canvas(image), width, height, filter, window);
  check_window(width, height, window);
  return resize_nearest(image, width, height, window);
}

Image resize(const Canvas& canvas, int64_t width, int64_t height, Filter filter,
             const Box& window) {
  ISTHMUS_CHECK(filter != Filter::kNearest, "no nearest-neighbour resizing of a canvas");
  check_window(width, height, window);
  const HorizontalPass horizontal(canvas, width, filter, window);
  if (canvas.height == height) return horizontal.run(window.top, window.top + window.height);

  const AxisWeights axis = axis_weights(canvas.height, height, filter, window.top, window.height);
  const Image rows = horizontal.run(axis.input_begin, axis.input_end);
  Image out{window.width, window.height, rows.channels, {}};
  const int64_t row_bytes = out.width * out.channels;
  out.pixels.resize(static_cast<size_t>(row_bytes * out.height));
  for (int64_t y = 0; y < out.height; ++y) {
    const auto i = static_cast<size_t>(y);
    weighted_sum(rows.row(axis.first[i] - axis.input_begin), row_bytes,
                 axis.weights.data() + y * axis.max_taps, axis.taps[i], out.row(y), row_bytes);
  }
  return out;
}

}  // namespace isthmus::media
