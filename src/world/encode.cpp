#include "world/encode.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "base/check.h"
#include "media/encode_png.h"

namespace isthmus::world {
namespace {

// Numbers as bytes, the lowest first.
std::string u16(uint64_t value) {
  return {static_cast<char>(value & 255), static_cast<char>(value >> 8 & 255)};
}
std::string u32(uint64_t value) { return u16(value) + u16(value >> 16); }
std::string u32s(std::initializer_list<uint64_t> values) {
  std::string bytes;
  for (const uint64_t value : values) bytes += u32(value);
  return bytes;
}
void append_float(std::string& bytes, float value) { bytes += u32(std::bit_cast<uint32_t>(value)); }

Bytes bytes_of(std::string_view text) {
  const auto view = std::as_bytes(std::span(text.data(), text.size()));
  return {view.begin(), view.end()};
}

// A RIFF chunk, or a list if the body begins with its name.
std::string chunk(std::string_view name, const std::string& body) {
  return std::string(name) + u32(body.size()) + body + std::string(body.size() % 2, '\0');
}

}  // namespace

Bytes write_png(const media::Image& image) { return media::encode_png(image); }

Bytes write_depth_png(const Maps& maps) {
  std::vector<uint16_t> samples;
  for (const float depth : maps.depth)
    samples.push_back(
        static_cast<uint16_t>(std::clamp(std::lround(4096 * depth), 0L, 65535L)));
  return media::encode_png(maps.width, maps.height, samples);
}

media::Image normal_picture(const Maps& maps) {
  media::Image image{maps.width, maps.height, 3, {}};
  for (const float component : maps.normals)
    image.pixels.push_back(static_cast<uint8_t>(std::lround(255 * (.5f * component + .5f))));
  return image;
}

Bytes write_wav(std::span<const float> samples, int sample_rate) {
  constexpr uint64_t kIntegers = 1, kChannels = 1, kSampleBytes = 2;
  const auto rate = static_cast<uint64_t>(sample_rate);
  const std::string format = u16(kIntegers) + u16(kChannels) + u32(rate) +
                             u32(rate * kSampleBytes) + u16(kSampleBytes) + u16(8 * kSampleBytes);
  std::string data;
  for (const float sample : samples)
    data += u16(static_cast<uint64_t>(
        std::clamp(std::lround(32768 * static_cast<double>(sample)), -32768L, 32767L)));
  return bytes_of(chunk("RIFF", "WAVE" + chunk("fmt ", format) + chunk("data", data)));
}

Bytes write_ply(const media::PointCloud& cloud) {
  std::string file = fmt::format(
      "ply\nformat binary_little_endian 1.0\nelement vertex {}\n"
      "property float x\nproperty float y\nproperty float z\n"
      "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n",
      cloud.count());
  for (size_t i = 0; i < static_cast<size_t>(cloud.count()); ++i) {
    for (size_t c = 0; c < 3; ++c) append_float(file, cloud.positions[3 * i + c]);
    for (size_t c = 0; c < 3; ++c)
      file += static_cast<char>(std::lround(255 * cloud.colours[3 * i + c]));
  }
  return bytes_of(file);
}

Bytes write_csv(const media::ImuRecording& recording) {
  std::string file = "timestamp_ms,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n";
  for (size_t i = 0; i < recording.samples(); ++i) {
    file += fmt::format("{}", recording.milliseconds[i]);
    for (const std::vector<float>& channel : recording.channels)
      file += fmt::format(",{:.5g}", channel[i]);
    file += '\n';
  }
  return bytes_of(file);
}

Bytes write_npy(std::span<const float> values, const std::vector<int64_t>& shape) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  int64_t count = 1;
  for (const int64_t size : shape) {
    header += fmt::format("{}, ", size);
    count *= size;
  }
  ISTHMUS_CHECK(count == static_cast<int64_t>(values.size()), "the shape holds all values");
  header += "), }";
  constexpr size_t kPreamble = 10, kAlignment = 64;
  header.append(kAlignment - 1 - (kPreamble + header.size()) % kAlignment, ' ');
  header += '\n';
  std::string file = "\x93NUMPY\x01" + std::string(1, '\0') + u16(header.size()) + header;
  for (const float value : values) append_float(file, value);
  return bytes_of(file);
}

Bytes write_avi(const Film& film) {
  ISTHMUS_CHECK(!film.frames.empty(), "a video has frames");
  constexpr uint64_t kHasIndex = 0x10, kKeyFrame = 0x10, kRateUnit = 1000, kNotSaid = 0xffffffff;
  const auto width = static_cast<uint64_t>(film.frames[0].width);
  const auto height = static_cast<uint64_t>(film.frames[0].height);
  std::string frames = "movi", index;
  size_t largest = 0;
  for (const media::Image& image : film.frames) {
    const Bytes png = media::encode_png(image);
    const std::string picture(reinterpret_cast<const char*>(png.data()), png.size());
    largest = std::max(largest, picture.size());
    index += "00dc" + u32s({kKeyFrame, frames.size(), picture.size()});
    frames += chunk("00dc", picture);
  }
  const uint64_t count = film.frames.size();
  const auto microseconds = static_cast<uint64_t>(std::llround(1e6 / film.frames_per_second));
  const auto rate =
      static_cast<uint64_t>(std::llround(static_cast<double>(kRateUnit) * film.frames_per_second));
  const std::string main =
      u32s({microseconds, 0, 0, kHasIndex, count, 0, 1, largest, width, height, 0, 0, 0, 0});
  const std::string stream = "vidsMPNG" +
                             u32s({0, 0, 0, kRateUnit, rate, 0, count, largest, kNotSaid, 0}) +
                             u16(0) + u16(0) + u16(width) + u16(height);
  const std::string format = u32s({40, width, height}) + u16(1) + u16(24) + "MPNG" +
                             u32s({width * height * 3, 0, 0, 0, 0});
  const std::string head = "hdrl" + chunk("avih", main) +
                           chunk("LIST", "strl" + chunk("strh", stream) + chunk("strf", format));
  return bytes_of(
      chunk("RIFF", "AVI " + chunk("LIST", head) + chunk("LIST", frames) + chunk("idx1", index)));
}

}  // namespace isthmus::world
