#include "media_caps.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/libav.h"
#include "media/picture_size.h"
#include "media/video.h"

namespace isthmus::server {
namespace {

// Counts the media of a request and looks at each.
class Inspector {
 public:
  explicit Inspector(const MediaCaps& caps) : caps_(caps) {}

  void look_at(std::span<const Part> parts) {
    for (const Part& part : parts)
      if (part.type == Part::Type::kMedia) look_at(part);
  }

 private:
  void look_at(const Part& part) {
    if (++count_ > caps_.media)
      throw UsageError(fmt::format("more than {} media in one request", caps_.media));
    name_ = fmt::format("{} (medium {} of the request)", part.modality, count_);
    check_picture(part.data);
    check_picture(part.rgb_data);
    if (part.modality == "video") check_video(part);
    if (part.modality == "audio") check_sound(part);
  }

  void check_picture(std::span<const std::byte> bytes) const {
    if (const auto size = media::picture_size(bytes)) check_pixels(size->width, size->height);
  }

  void check_pixels(int64_t width, int64_t height) const {
    if (width > caps_.pixels / height)
      throw UsageError(fmt::format("{}: is {}x{} pixels; {} are allowed. Scale it down first",
                                   name_, width, height, caps_.pixels));
  }

  void check_seconds(const Part& part, double seconds) const {
    const double begin = part.start.value_or(0),
                 end = std::min(part.end.value_or(seconds), seconds);
    if (end - begin > caps_.seconds)
      throw UsageError(
          fmt::format("{}: lasts {:.0f} seconds; {:.0f} are allowed. Cut it, or give "
                      "\"start\" and \"end\"",
                      name_, end - begin, caps_.seconds));
  }

  void check_video(const Part& part) const {
    std::optional<media::VideoReader> video;
    try {
      video.emplace(part.data, name_, media::TimeRange{}, media::VideoLimits{caps_.frames});
    } catch (const UnsupportedError&) {
      return;
    }
    check_pixels(video->width(), video->height());
    check_seconds(part, video->duration());
  }

  void check_sound(const Part& part) const {
    try {
      const media::LibavStream sound(part.data, name_, AVMEDIA_TYPE_AUDIO);
      if (const auto seconds = sound.announced_seconds()) check_seconds(part, *seconds);
    } catch (const InputError&) {
    } catch (const UnsupportedError&) {
    }
  }

  const MediaCaps& caps_;
  int64_t count_ = 0;
  std::string name_;
};

}  // namespace

void check_media(std::span<const Part> parts, const MediaCaps& caps) {
  Inspector(caps).look_at(parts);
}

void check_media(const Request& request, const MediaCaps& caps) {
  Inspector inspector(caps);
  inspector.look_at(request.prompt);
  for (const Message& message : request.messages) inspector.look_at(message.content);
}

void check_media(std::span<const serving::Question> questions, const MediaCaps& caps) {
  for (const serving::Question& question : questions) check_media(question.request, caps);
}

}  // namespace isthmus::server
