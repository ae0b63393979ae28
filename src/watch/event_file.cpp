#include "watch/event_file.h"

#include <cerrno>
#include <chrono>
#include <cstring>

#include <unistd.h>

#include <fmt/format.h>

#include "base/check.h"
#include "base/wire.h"
#include "isthmus/error.h"
#include "watch/crc32c.h"

namespace isthmus::watch {
namespace {

// Field numbers of event.proto, summary.proto, tensor.proto.
namespace event {
constexpr uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
namespace session_log {
constexpr uint32_t kStatus = 1;
constexpr int64_t kStart = 1;
}  // namespace session_log
namespace summary {
constexpr uint32_t kValue = 1;
}
namespace value {
constexpr uint32_t kTag = 1, kSimpleValue = 2, kImage = 4, kTensor = 8, kMetadata = 9;
}
namespace image {
constexpr uint32_t kHeight = 1, kWidth = 2, kColorspace = 3, kEncoded = 4;
}
namespace metadata {
constexpr uint32_t kPluginData = 1, kPluginName = 1;
}
namespace tensor {
constexpr uint32_t kDtype = 1, kShape = 2, kStringValue = 8, kDim = 2, kSize = 1;
constexpr int64_t kString = 7;
}  // namespace tensor

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

std::filesystem::path unused_name(const std::filesystem::path& folder) {
  const auto seconds = static_cast<int64_t>(seconds_now());
  const std::string name = fmt::format("events.out.tfevents.{}.{}", seconds, host());
  for (int number = 0;; ++number) {
    const auto path = folder / (number == 0 ? name : fmt::format("{}.{}", name, number));
    if (!std::filesystem::exists(path)) return path;
  }
}

uint32_t big_endian(std::string_view bytes) {
  uint32_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

// As channels: grey, grey with alpha, RGB, RGBA.
int64_t colorspace(char png_colour_type) {
  switch (png_colour_type) {
    case 0: return 1;
    case 4: return 2;
    case 6: return 4;
    default: return 3;
  }
}

}  // namespace

std::string tfrecord_frame(std::string_view payload) {
  std::string frame;
  append_little_endian(frame, payload.size(), 8);
  append_little_endian(frame, masked_crc32c(frame), 4);
  frame += payload;
  append_little_endian(frame, masked_crc32c(payload), 4);
  return frame;
}

EventFile::EventFile(const std::filesystem::path& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    throw ResourceError(fmt::format("{}: cannot be made: {}", folder.string(), failed.message()));
  path_ = unused_name(folder);
  stream_.open(path_, std::ios::binary);
  if (!stream_)
    throw ResourceError(
        fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
  add_event(WireMessage()
                .fixed(event::kWallTime, seconds_now())
                .bytes(event::kFileVersion, "brain.Event:2"));
}

void EventFile::add_event(const WireMessage& event) {
  stream_ << tfrecord_frame(event.data()) << std::flush;
  if (!stream_) throw ResourceError(fmt::format("{}: cannot be written", path_.string()));
}

void EventFile::add_value(int64_t step, const WireMessage& value) {
  add_event(WireMessage()
                .fixed(event::kWallTime, seconds_now())
                .integer(event::kStep, step)
                .message(event::kSummary, WireMessage().message(summary::kValue, value)));
}

void EventFile::resumed_after(int64_t step) {
  // What is at the step of this event, or behind it, is what TensorBoard drops.
  add_event(WireMessage()
                .fixed(event::kWallTime, seconds_now())
                .integer(event::kStep, step + 1)
                .message(event::kSessionLog,
                         WireMessage().integer(session_log::kStatus, session_log::kStart)));
}

void EventFile::add_scalar(std::string_view tag, int64_t step, double number) {
  add_value(
      step,
      WireMessage().bytes(value::kTag, tag).fixed(value::kSimpleValue, static_cast<float>(number)));
}

void EventFile::add_image(std::string_view tag, int64_t step, std::string_view png) {
  // Signature, length and name of the first chunk, width, height, bits, colour type.
  ISTHMUS_CHECK(png.size() > 26 && png.starts_with("\x89PNG\r\n\x1a\n"), "not a PNG file");
  add_value(step,
            WireMessage()
                .bytes(value::kTag, tag)
                .message(value::kImage, WireMessage()
                                            .integer(image::kHeight, big_endian(png.substr(20, 4)))
                                            .integer(image::kWidth, big_endian(png.substr(16, 4)))
                                            .integer(image::kColorspace, colorspace(png[25]))
                                            .bytes(image::kEncoded, png)));
}

void EventFile::add_text(std::string_view tag, int64_t step, std::string_view markdown) {
  const WireMessage plugin = WireMessage().bytes(metadata::kPluginName, "text");
  const WireMessage one = WireMessage().integer(tensor::kSize, 1);
  add_value(step,
            WireMessage()
                .bytes(value::kTag, tag)
                .message(value::kTensor,
                         WireMessage()
                             .integer(tensor::kDtype, tensor::kString)
                             .message(tensor::kShape, WireMessage().message(tensor::kDim, one))
                             .bytes(tensor::kStringValue, markdown))
                .message(value::kMetadata, WireMessage().message(metadata::kPluginData, plugin)));
}

}  // namespace isthmus::watch
