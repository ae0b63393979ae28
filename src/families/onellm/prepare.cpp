#include "families/onellm/prepare.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "isthmus/error.h"
#include "media/audio.h"
#include "media/decode_image.h"
#include "media/imu.h"
#include "media/number_array.h"
#include "media/point_cloud.h"
#include "media/scene_map.h"
#include "media/video.h"
#include "modalities/fmri.h"
#include "modalities/imu.h"
#include "modalities/map_pair.h"
#include "modalities/mel_audio.h"
#include "modalities/open_clip_image.h"
#include "modalities/point_cloud.h"
#include "modalities/signal.h"
#include "modalities/video_clips.h"

namespace isthmus::families::onellm {
namespace {

using modalities::Prepared;

struct Job {
  const MediaSource& source;
  const layout::OneLlmConfig& config;
  const layout::ModalityConfig& modality;

  const Part& part() const { return *source.part; }
};

// Of a file or of what stands in the request.
class Bytes {
 public:
  Bytes(const std::filesystem::path& path, std::span<const std::byte> data)
      : file_(path.empty() ? nullptr : media::map_file(path)), data_(data) {}
  std::span<const std::byte> view() const { return file_ ? file_->bytes() : data_; }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::span<const std::byte> data_;
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
  modalities::OpenClipImageConfig config{.image_size = job.config.encoder.image_size,
                                         .convert_to_rgb_first = true};
  if (const auto& box = job.part().crop)
    config.crop = media::Box{box->left, box->top, box->width, box->height};
  return config;
}

Prepared prepare_image(const Job& job) {
  return modalities::prepare_open_clip_image(open_image(job), image_config(job));
}

Prepared prepare_video(const Job& job) {
  const media::TimeRange range = time_range(job.part());
  media::VideoReader reader = job.part().path.empty()
                                  ? media::VideoReader(job.part().data, job.source.name, range)
                                  : media::VideoReader(job.part().path, range);
  return modalities::prepare_video_clips(reader, {.image_size = job.config.encoder.image_size});
}

Prepared prepare_map(const Job& job, media::SceneMapKind kind) {
  if (job.part().rgb.empty() && job.part().rgb_data.empty())
    throw UsageError(fmt::format(
        "{}: the model sees a {} map beside the picture of the same scene; give it with --rgb",
        job.source.name, job.modality.name));
  const media::SceneMap map = job.part().path.empty()
                                  ? media::decode_scene_map(job.part().data, job.source.name, kind)
                                  : media::load_scene_map(job.part().path, kind);
  const media::Image picture = job.part().rgb.empty()
                                   ? media::decode_image(job.part().rgb_data, job.source.name)
                                   : media::load_image(job.part().rgb);
  modalities::MapPairConfig config{.view = image_config(job)};
  if (kind == media::SceneMapKind::kNormals)
    return modalities::prepare_normal_map(map, picture, config);
  if (!job.part().unit.empty()) config.unit = modalities::parse_depth_unit(job.part().unit);
  return modalities::prepare_depth_map(map, picture, config);
}

Prepared prepare_depth(const Job& job) { return prepare_map(job, media::SceneMapKind::kDepth); }
Prepared prepare_normal(const Job& job) { return prepare_map(job, media::SceneMapKind::kNormals); }

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
  const media::PointCloud cloud = job.part().path.empty()
                                      ? media::decode_point_cloud(job.part().data, job.source.name)
                                      : media::load_point_cloud(job.part().path);
  return modalities::prepare_point_cloud(cloud, {.min_points = job.modality.group_size});
}

// A file, for readers that look beside it or tell formats from names. In memory a motion recording
// is csv.
const std::filesystem::path& file_of(const Job& job) {
  if (job.part().path.empty())
    throw UsageError(fmt::format("{}: {} is read from a file, not from data in the request",
                                 job.source.name, job.modality.name));
  return job.part().path;
}

Prepared prepare_imu(const Job& job) {
  const auto& data = job.part().data;
  const media::ImuRecording recording =
      job.part().path.empty() && !data.empty()
          ? media::parse_imu_csv({reinterpret_cast<const char*>(data.data()), data.size()},
                                 job.source.name)
          : media::load_imu(file_of(job));
  const modalities::ImuConfig config;
  modalities::ImuWindow window = modalities::default_imu_window(recording, config);
  const double length = window.end - window.start;
  if (const auto& start = job.part().start) window = {*start, *start + length};
  if (const auto& end = job.part().end) window.end = *end;
  return modalities::prepare_imu(recording, window, config);
}

Prepared prepare_fmri(const Job& job) {
  const modalities::FmriConfig config{.num_voxels = job.modality.channels};
  const Part& part = job.part();
  if (!part.path.empty() && part.mask_data.empty())
    return modalities::load_fmri(part.path, part.mask, config);
  const Bytes activity(part.path, part.data), mask(part.mask, part.mask_data);
  return modalities::decode_fmri({activity.view(), job.source.name},
                                 {mask.view(), job.source.name + ", its mask"}, config);
}

Prepared prepare_by_recipe(const Job& job) {
  return modalities::prepare_signal(file_of(job), *job.modality.recipe);
}

// Which details of a part each kind has a use for.
struct Details {
  bool crop = false, rgb = false, time = false, unit = false, mask = false;
};

struct Entry {
  std::string_view name;
  Prepared (*prepare)(const Job& job);
  Details details;
};

constexpr std::array kReaders = {
    Entry{"image", prepare_image, {.crop = true}},
    Entry{"video", prepare_video, {.time = true}},
    Entry{"audio", prepare_audio, {.time = true}},
    Entry{"points", prepare_points, {}},
    Entry{"depth", prepare_depth, {.crop = true, .rgb = true, .unit = true}},
    Entry{"normal", prepare_normal, {.crop = true, .rgb = true}},
    Entry{"imu", prepare_imu, {.time = true}},
    Entry{"fmri", prepare_fmri, {.mask = true}},
};
constexpr Entry kRecipe{"", prepare_by_recipe, {}};

const Entry& reader_of(const layout::ModalityConfig& modality, const MediaSource& source) {
  if (modality.recipe) return kRecipe;
  const auto* reader = std::ranges::find(kReaders, modality.name, &Entry::name);
  if (reader != kReaders.end()) return *reader;
  throw UnsupportedError(fmt::format("{}: no reader of {} files", source.name, modality.name));
}

void check_details(const MediaSource& source, const Details& known) {
  const Part& part = *source.part;
  const auto refuse = [&](bool given, bool used, const char* what) {
    if (given && !used)
      throw UsageError(
          fmt::format("{}: {} says nothing about {}", source.name, what, part.modality));
  };
  refuse(part.crop.has_value(), known.crop, "crop");
  refuse(!part.rgb.empty() || !part.rgb_data.empty(), known.rgb, "rgb");
  refuse(part.start || part.end, known.time, "start or end");
  refuse(!part.unit.empty(), known.unit, "unit");
  refuse(!part.mask.empty() || !part.mask_data.empty(), known.mask, "mask");
}

// A convolution takes one size only: its positions are a table.
void check_size(const Prepared& prepared, const layout::ModalityConfig& modality,
                const MediaSource& source) {
  if (modality.tokenizer != layout::TokenizerKind::kPatchConv) return;
  Shape expected = {modality.channels};
  expected.insert(expected.end(), modality.window.begin(), modality.window.end());
  Shape found = prepared.shape;
  if (found.size() == expected.size() + 1) found.erase(found.begin());  // several windows
  if (found == expected) return;
  throw InputError(fmt::format("{}: as {} it is {}, the model takes {}", source.name, modality.name,
                               to_string(prepared.shape), to_string(expected)));
}

}  // namespace

Prepared prepare(const MediaSource& source, const layout::OneLlmConfig& config) {
  const layout::ModalityConfig& modality =
      layout::find_modality(config.modalities, source.part->modality, source.name);
  const Entry& reader = reader_of(modality, source);
  check_details(source, reader.details);
  Prepared prepared = reader.prepare({source, config, modality});
  check_size(prepared, modality, source);
  prepared.modality = modality.name;
  return prepared;
}

}  // namespace isthmus::families::onellm
