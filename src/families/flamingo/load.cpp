#include "families/flamingo/load.h"

#include <utility>

#include <fmt/format.h>

#include "families/storage.h"
#include "isthmus/error.h"
#include "layout/flamingo_names.h"
#include "layout/llava_names.h"
#include "layout/open_clip_names.h"
#include "weights/bind.h"

namespace isthmus::families::flamingo {
namespace {

using layout::FlamingoModel;

constexpr uint64_t kFreshSeed = 0;  // of an aligner that nobody has trained yet

weights::WeightSource vision_source(const FlamingoModel& model) {
  if (model.sources.vision_files == layout::VisionFiles::kHuggingFace) {
    layout::LlavaNames names = layout::vision_tower_names();
    return {model.vision_weights, std::move(names.map), names.ignores};
  }
  layout::OpenClipNames names = layout::open_clip_names(model.vision_weights);
  return {model.vision_weights, std::move(names.map), names.ignores};
}

weights::BindOptions bind_options(const FlamingoModel& model, const LoadOptions& load) {
  weights::BindOptions options = storage_options(load);
  options.config = (model.sources.language_model / "config.json").string();
  options.dimensions = {{"hidden_size", model.language.hidden_size},
                        {"intermediate_size", model.language.intermediate_size},
                        {"vocabulary", model.vocab_size()},
                        {"vision width", model.vision.width}};
  // Quirk: the reference resizes the embedding to the length of its tokenizer, which also drops
  // rows that only rounded the vocabulary up.
  options.first_rows_only = options.grown_rows = model.language_names.vocabulary;
  if (!model.checkpoint) options.present = "aligner.*";
  return options;
}

}  // namespace

std::vector<weights::WeightSource> weight_sources(const FlamingoModel& model) {
  const layout::DecoderNames& decoder = model.language_names;
  std::vector<weights::WeightSource> all;
  all.push_back(vision_source(model));
  all.push_back({model.language_weights, decoder.map(), decoder.ignores});
  if (model.checkpoint) {
    const layout::LanguageModelNames names{decoder.map(), decoder.ignores};
    layout::FlamingoNames trained = layout::flamingo_names(*model.checkpoint, &names);
    all.push_back({*model.checkpoint, std::move(trained.map), std::move(trained.ignores)});
  }
  return all;
}

std::shared_ptr<Family> load(const std::filesystem::path& model, const std::string& base,
                             const LoadOptions& options) {
  const auto locator = layout::ModelLocator::from_environment();
  return load(layout::find_flamingo(model, {base, options.vision.string()}, locator), options);
}

std::shared_ptr<Family> load(layout::FlamingoSources sources, const LoadOptions& options) {
  sources.vision_ln_post = sources.vision_ln_post || options.vision_ln_post;
  FlamingoModel model = FlamingoModel::open(std::move(sources));
  if (model.config.resampler.max_num_media > 0)
    throw UnsupportedError(fmt::format(
        "{}: perceiver.media_time_embs: this model's latents depend on a picture's place in the "
        "prompt; no released model has them, and pictures are remembered here without their place",
        model.sources.checkpoint.string()));
  auto modules = bind(model, options, kFreshSeed);
  const auto weights = weight_sources(model);
  return std::make_shared<Flamingo>(std::move(model), std::move(modules), fingerprint_of(weights));
}

std::shared_ptr<FlamingoModules> bind(const FlamingoModel& model, const LoadOptions& options,
                                      uint64_t seed) {
  auto modules = std::make_shared<FlamingoModules>(model);
  if (!model.checkpoint) aligners::initialise(*modules->aligner, seed);
  weights::bind_weights(*modules, weight_sources(model), bind_options(model, options));
  return modules;
}

}  // namespace isthmus::families::flamingo
