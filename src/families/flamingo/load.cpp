#include "families/flamingo/load.h"

#include <set>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/content_hash.h"
#include "families/storage.h"
#include "isthmus/error.h"
#include "layout/flamingo_names.h"
#include "layout/llava_names.h"
#include "layout/open_clip_names.h"
#include "weights/bind.h"
#include "weights/share.h"

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

[[noreturn]] void refuse_time_embeddings(const FlamingoModel& model) {
  throw UnsupportedError(fmt::format(
      "{}: perceiver.media_time_embs: this model's latents depend on a picture's place in the "
      "prompt; no released model has them, and pictures are remembered here without their place",
      model.sources.checkpoint.string()));
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
  if (model.config.resampler.max_num_media > 0) refuse_time_embeddings(model);
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

namespace {

namespace fs = std::filesystem;

// The checkpoint in `folder`, with the other pieces of `loaded`.
layout::FlamingoSources sources_beside(const layout::FlamingoSources& loaded,
                                       const fs::path& folder) {
  const auto locator = layout::ModelLocator::from_environment();
  layout::FlamingoSources sources = layout::find_flamingo(
      folder, {loaded.language_model.string(), loaded.vision.string()}, locator);
  const auto refuse = [&](const std::string& why) {
    throw ModelError(fmt::format("{}: {}", folder.string(), why));
  };
  std::error_code ignored;
  const fs::path around = fs::is_directory(folder, ignored) ? folder : folder.parent_path();
  if (!fs::equivalent(sources.checkpoint.parent_path(), around, ignored))
    refuse("has no checkpoint of its own");
  // What it names itself, where that can be found.
  layout::FlamingoSources named;
  try {
    named = layout::find_flamingo(folder, {}, locator);
  } catch (const Error&) {
    named = loaded;
  }
  for (const auto& [what, its, other] :
       {std::tuple("language model", named.language_model, loaded.language_model),
        std::tuple("vision encoder", named.vision, loaded.vision)})
    if (!fs::equivalent(its, other, ignored))
      refuse(fmt::format("was trained on the {} {}, the loaded model has {}", what, its.string(),
                         other.string()));
  if (sources.vision_ln_post != loaded.vision_ln_post)
    refuse("takes another state of the vision encoder than the loaded model (vision_ln_post)");
  sources.tokenizer = loaded.tokenizer;
  return sources;
}

// The slots of the decoder that a checkpoint brings.
std::set<std::string> decoder_slots(const weights::WeightSource& source) {
  std::set<std::string> slots;
  for (const std::string& name : source.checkpoint.names()) {
    if (source.ignores && source.ignores(name)) continue;
    const auto slot = source.names.to_module(name);
    if (slot && slot->name.starts_with("decoder.")) slots.insert(slot->name);
  }
  return slots;
}

}  // namespace

std::shared_ptr<Family> load_beside(const Flamingo& model, const fs::path& folder,
                                    const LoadOptions& options) {
  const FlamingoModel& loaded = model.model();
  FlamingoModel opened = FlamingoModel::open(sources_beside(loaded.sources, folder));
  if (opened.config.resampler.max_num_media > 0) refuse_time_embeddings(opened);
  if (opened.vocab_size() != loaded.vocab_size())
    throw ModelError(fmt::format("{}: has {} tokens, the loaded model {}", folder.string(),
                                 opened.vocab_size(), loaded.vocab_size()));
  // The decoder of the loaded model, but what its own checkpoint changed as it was before.
  const std::set<std::string> changed =
      loaded.checkpoint ? decoder_slots(weight_sources(loaded).back()) : std::set<std::string>();
  std::vector<weights::WeightSource> sources = weight_sources(opened);
  sources.erase(sources.begin());  // the encoder
  weights::WeightSource& language = sources.front();
  language.ignores = [changed, names = language.names,
                      ignores = language.ignores](std::string_view name) {
    const auto slot = names.to_module(name);
    return (ignores && ignores(name)) || !slot || !changed.contains(slot->name);
  };
  const bool own_decoder = !changed.empty() || !decoder_slots(sources.back()).empty();
  FlamingoModules& from = *model.shared_modules();
  auto modules = std::make_shared<FlamingoModules>(opened, from, own_decoder);
  weights::BindOptions binding = bind_options(opened, options);
  if (own_decoder) weights::share_weights(*from.decoder, *modules->decoder, binding.config);
  binding.present = "*coder.*";  // encoder and decoder are whole already
  weights::bind_weights(*modules, sources, binding);
  std::string fingerprint = hash_text(model.fingerprint() + fingerprint_of(sources)).hex();
  opened.tokens.tokenizer = loaded.tokens.tokenizer;
  return std::make_shared<Flamingo>(std::move(opened), std::move(modules), std::move(fingerprint),
                                    model.feature_fingerprint());
}

}  // namespace isthmus::families::flamingo
