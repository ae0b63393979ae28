#include "families/onellm/prepare.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/audio.h"
#include "media/decode_image.h"
#include "media/point_cloud.h"
#include "modalities/mel_audio.h"
#include "modalities/open_clip_image.h"
#include "modalities/point_cloud.h"

namespace isthmus::families::onellm {
namespace {

using modalities::Prepared;

struct Job {
  const MediaSource& source;
  const layout::OneLlmConfig& config;
  const layout::ModalityConfig& modality;

  const Part& part() const { return *source.part; }
};

media::NativeImage open_image(const Job& job) {
  return job.part().path.empty() ? media::decode_native_image(job.part().data, job.source.name)
                                 : media::load_native_image(job.part().path);
}

media::TimeRange time_range(const Part& part) {
  media::TimeRange range;
  range.start = part.start.value_or(range.start);
  range.end = part.end.value_or(range.end);
  return range;
}

modalities::OpenClipImageConfig image_config(const Job& job) {
  return {.image_size = job.config.encoder.image_size, .convert_to_rgb_first = true};
}

Prepared prepare_image(const Job& job) {
  return modalities::prepare_open_clip_image(open_image(job), image_config(job));
}

Prepared prepare_audio(const Job& job) {
  media::AudioReader reader =
      job.part().path.empty()
          ? media::AudioReader(job.part().data, job.source.name, time_range(job.part()))
          : media::AudioReader(job.part().path, time_range(job.part()));
  modalities::MelAudioConfig config;
  config.bank.num_bins = job.modality.window.at(0);
  config.num_frames = job.modality.window.at(1);
  return modalities::prepare_mel_audio(reader, config);
}

Prepared prepare_points(const Job& job) {
  const media::PointCloud cloud =
      job.part().path.empty() ? media::decode_point_cloud(job.part().data, job.source.name)
                              : media::load_point_cloud(job.part().path);
  return modalities::prepare_point_cloud(cloud, {.min_points = job.modality.group_size});
}

// Which details of a part each kind has a use for.
struct Details {
  bool crop = false, rgb = false, time = false;
};

struct Entry {
  std::string_view name;
  Prepared (*prepare)(const Job& job);
  Details details;
};

constexpr std::array kReaders = {
    Entry{"image", prepare_image, {.crop = true}},
    Entry{"audio", prepare_audio, {.time = true}},
    Entry{"points", prepare_points, {}},
};

void check_details(const MediaSource& source, const Details& known) {
  const Part& part = *source.part;
  const auto refuse = [&](bool given, bool used, const char* what) {
    if (given && !used)
      throw UsageError(
          fmt::format("{}: {} says nothing about {}", source.name, what, part.modality));
  };
  refuse(part.crop.has_value(), known.crop, "crop");
  refuse(!part.rgb.empty(), known.rgb, "rgb");
  refuse(part.start || part.end, known.time, "start or end");
}

}  // namespace

Prepared prepare(const MediaSource& source, const layout::OneLlmConfig& config) {
  const layout::ModalityConfig& modality =
      layout::find_modality(config.modalities, source.part->modality, source.name);
  const auto* reader = std::ranges::find(kReaders, modality.name, &Entry::name);
  if (reader == kReaders.end())
    throw UnsupportedError(fmt::format("{}: no reader of {} files", source.name, modality.name));
  check_details(source, reader->details);
  Prepared prepared = reader->prepare({source, config, modality});
  prepared.modality = modality.name;
  return prepared;
}

}  // namespace isthmus::families::onellm
