// Golden cases of preprocessing alone: files to what an encoder eats, no model needed.
#include "engine/golden_case.h"
#include "formats/npy.h"
#include "isthmus/error.h"
#include "media/audio.h"
#include "media/decode_image.h"
#include "modalities/filter_bank.h"
#include "modalities/fmri.h"
#include "modalities/imu.h"
#include "modalities/map_pair.h"
#include "modalities/mel_audio.h"
#include "modalities/open_clip_image.h"
#include "modalities/point_cloud.h"
#include "modalities/sinc_resampler.h"
#include "modalities/video_clips.h"
#include "weights/tensor_of.h"

namespace isthmus::engine {
namespace {

namespace fs = std::filesystem;
using modalities::Prepared;
using torch::indexing::None;
using torch::indexing::Slice;

constexpr double kPadTolerance = 1e-6;
constexpr int64_t kSampleRate = 16000;

Tensor tensor_of(const Prepared& prepared) {
  return torch::from_blob(const_cast<float*>(prepared.values.data()), prepared.shape,
                          torch::kFloat32)
      .clone();
}

template <typename T>
Tensor tensor_of(const std::vector<T>& values) {
  return torch::tensor(values);
}

media::Box box_of(const JsonView& item) {
  const auto box = integers(item.at("crop_top_left_height_width"));
  return {box.at(1), box.at(0), box.at(3), box.at(2)};
}

class PreprocessingVerifier {
 public:
  PreprocessingVerifier(const Case& golden, Findings& findings)
      : golden_(golden), findings_(findings) {}

  void run() {
    each("audio", [this](const JsonView& item) { audio(item); });
    mel_banks();
    each("image", [this](const JsonView& item) { image(item); });
    each("depth_normal", [this](const JsonView& item) { map(item); });
    each("video", [this](const JsonView& item) { video(item); });
    each("imu", [this](const JsonView& item) { imu(item); });
    if (golden_.json().contains("point")) points();
    if (const auto expected = golden_.find("fmri")) fmri(*expected);
  }

 private:
  template <typename Replay>
  void each(const char* key, Replay replay) {
    if (const auto items = golden_.json().find(key))
      for (const JsonView& item : items->elements()) replay(item);
  }

  fs::path file(const JsonView& item, const char* key = "file") const {
    return golden_.folder() / item.string(key);
  }

  // Of pictures every stride-th pixel is kept, of other arrays every stride-th row.
  void add(const std::string& stage, Tensor found) {
    const auto expected = golden_.find(stage);
    if (!expected) return;
    const int64_t stride = expected->stride;
    if (stride > 1 && found.dim() == 2) found = found.index({Slice(None, None, stride)});
    if (stride > 1 && found.dim() > 2)
      found = found.index({"...", Slice(None, None, stride), Slice(None, None, stride)});
    record(stage, compare(found, *expected));
  }

  void audio(const JsonView& item) {
    const std::string stage = "audio." + file(item).stem().string();
    media::AudioReader reader(file(item));
    const int64_t kept = item.integer("frames_kept");
    const Tensor rows = tensor_of(modalities::prepare_mel_audio(reader)).squeeze(0).t();
    add(stage + ".fbank", rows.slice(0, 0, kept));
    const Tensor behind = rows.slice(0, kept);
    const Expectation pad{torch::full_like(behind, item.number("pad_value")), kPadTolerance, 0};
    record(stage + ".padding", compare(behind, pad));
    if (const auto expected = golden_.find(stage + ".wave16k"))
      record(stage + ".wave16k",
             compare(resampled(file(item)).slice(0, 0, expected->value.numel()), *expected));
  }

  static Tensor resampled(const fs::path& sound) {
    media::AudioReader reader(sound);
    modalities::SincResampler resampler(reader.sample_rate(), kSampleRate);
    std::vector<float> samples;
    media::AudioBlock block;
    while (reader.next(block)) resampler.push(block.channel(0), samples);
    resampler.finish(samples);
    return tensor_of(samples);
  }

  void mel_banks() {
    const modalities::FilterBank bank;
    std::vector<double> weights;
    for (int64_t bin = 0; bin < bank.num_bins(); ++bin)
      for (int64_t k = 0; k < bank.fft_size() / 2; ++k) weights.push_back(bank.weight(bin, k));
    add("audio.mel_banks", tensor_of(weights).view({bank.num_bins(), -1}));
  }

  void image(const JsonView& item) {
    const std::string stem = file(item).stem().string();
    const media::NativeImage picture = media::load_native_image(file(item));
    for (const int64_t size : {int64_t{224}, int64_t{336}}) {
      modalities::OpenClipImageConfig config{.image_size = size, .convert_to_rgb_first = true};
      const auto prepared = [&] {
        return tensor_of(modalities::prepare_open_clip_image(picture, config)).squeeze(0);
      };
      if (golden_.find(fmt::format("{}.eval{}", stem, size)))
        add(fmt::format("{}.eval{}", stem, size), prepared());
      config.crop = box_of(item);
      if (golden_.find(fmt::format("{}.train{}", stem, size)))
        add(fmt::format("{}.train{}", stem, size), prepared());
    }
  }

  void map(const JsonView& item) {
    const media::Image picture = media::load_image(file(item, "image"));
    const fs::path map = file(item, "map");
    modalities::MapPairConfig config;
    config.view.crop = box_of(item);
    // The mode of the map is the only mark of its kind.
    const bool depth = item.string("map_mode") != "RGB";
    const auto scene = media::load_scene_map(
        map, depth ? media::SceneMapKind::kDepth : media::SceneMapKind::kNormals);
    add(map.stem().string() + ".pair",
        tensor_of(depth ? modalities::prepare_depth_map(scene, picture, config)
                        : modalities::prepare_normal_map(scene, picture, config)));
  }

  void video(const JsonView& item) {
    const std::string stage = "video." + file(item).stem().string();
    media::VideoReader reader(file(item));
    const auto expected = integers(item.at("selected_frame_index"));
    record(stage + ".frames",
           compare_exact(modalities::clip_frames(reader.num_frames(), reader.frames_per_second(),
                                                 static_cast<int64_t>(expected.size())),
                         expected));
    add(stage, tensor_of(modalities::prepare_video_clips(reader)));
  }

  void imu(const JsonView& item) {
    const std::string uid = item.string("uid"), stage = "imu." + uid;
    const auto bounds = item.at("window").elements();
    const auto prepared = [&] {
      return modalities::prepare_imu(media::load_imu(golden_.folder() / "inputs" / (uid + ".npy")),
                                     {bounds.at(0).as_number(), bounds.at(1).as_number()});
    };
    if (item.contains("result")) return add(stage, tensor_of(prepared()));
    StageResult refused;
    try {
      prepared();
      refused.agrees = false;
      refused.detail = "a window where the reference has no data";
    } catch (const InputError&) {
    }
    record(stage, refused);
  }

  void points() {
    const JsonView settings = golden_.json().at("point");
    const Prepared cloud = modalities::prepare_point_cloud(
        media::load_point_cloud(golden_.folder() / "inputs/point.npy"),
        {.max_points = settings.integer("n")});
    add("point.norm", tensor_of(cloud));
    const int64_t groups = settings.integer("fps"), size = settings.integer("k");
    const auto found =
        modalities::group_points(cloud.values, {.num_groups = groups, .group_size = size});
    add("point.fps", tensor_of(found.centres));
    // Rows in which float32 decided otherwise than exact arithmetic say nothing.
    const auto members = golden_.find("point.knn_sorted"), exact = golden_.find("point.knn_row_ok");
    if (members && exact) {
      const Tensor rows = exact->value.to(torch::kBool);
      record("point.knn_sorted",
             compare(tensor_of(found.members).view({groups, size}).index({rows}),
                     {members->value.index({rows}), members->atol, members->rtol}));
    }
    if (const auto ties = golden_.find("point.fps_ties")) {
      const Tensor lattice =
          weights::tensor_of(formats::read_npy(golden_.folder() / "inputs/lattice.npy"))
              .to(torch::kFloat32)
              .contiguous();
      const std::span<const float> values(lattice.data_ptr<float>(),
                                          static_cast<size_t>(lattice.numel()));
      add("point.fps_ties", tensor_of(modalities::furthest_points(values, ties->value.numel())));
    }
  }

  void fmri(const Expectation& expected) {
    record("fmri", compare(tensor_of(modalities::load_fmri(golden_.folder() / "inputs/fmri.npy", {},
                                                           {expected.value.size(-1)})),
                           expected));
  }

  // Results are shown by what stands before the first dot: audio, video, image_0, …
  void record(const std::string& stage, StageResult result) {
    findings_.add(stage.substr(0, stage.find('.')), stage, std::move(result));
  }

  const Case& golden_;
  Findings& findings_;
};

}  // namespace

void verify_preprocessing(const Case& golden, Findings& findings) {
  PreprocessingVerifier(golden, findings).run();
}

}  // namespace isthmus::engine
