#include "families/llava/load.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/content_hash.h"
#include "families/llava/llava.h"
#include "families/llava/save.h"
#include "families/storage.h"
#include "formats/checkpoint.h"
#include "isthmus/error.h"
#include "layout/llava_names.h"
#include "weights/bind.h"
#include "weights/lora.h"
#include "weights/share.h"

namespace isthmus::families::llava {
namespace {

using layout::FolderContents;
using layout::LlavaFolder;
using layout::LlavaLayout;

// Where the pieces of one model lie.
struct Sources {
  LlavaFolder model;
  std::optional<LlavaFolder> base;
  std::filesystem::path tower;  // empty: the checkpoint's own, or none

  // The folder with the language model and its tokenizer.
  const LlavaFolder& language() const { return base ? *base : model; }
};

Sources find_sources(const std::string& model, const std::string& base,
                     const LoadOptions& options) {
  const auto locator = layout::ModelLocator::from_environment();
  Sources sources{LlavaFolder::open(locator.find_model(model)), std::nullopt, {}};
  const LlavaFolder& folder = sources.model;
  if (folder.needs_base()) {
    if (base.empty())
      throw UsageError(
          fmt::format("{}: holds only {}; name the language model it was trained on with --base{}",
                      folder.path.string(),
                      folder.contents == FolderContents::kLora ? "a LoRA adapter" : "a projector",
                      folder.lora && !folder.lora->base_model_name_or_path.empty()
                          ? fmt::format(" ({})", folder.lora->base_model_name_or_path)
                          : ""));
    sources.base = LlavaFolder::open(locator.find_model(base));
    if (sources.base->needs_base())
      throw UsageError(fmt::format("--base {}: is itself no full language model", base));
  } else if (!base.empty()) {
    throw UsageError(
        fmt::format("--base: {} is a full model and needs none", folder.path.string()));
  }
  if (!folder.config.vision_tower.empty())
    sources.tower =
        locator.find_vision_tower(folder.config.vision_tower, folder.path, options.vision);
  return sources;
}

std::optional<layout::ClipVisionConfig> tower_config(const Sources& sources) {
  if (sources.model.config.vision) return sources.model.config.vision;
  if (sources.tower.empty()) return std::nullopt;
  auto tower = layout::load_tower_config(sources.tower);
  sources.model.config.check_tower(tower, sources.tower.string());
  return tower;
}

std::filesystem::path folder_of(const std::filesystem::path& tower) {
  return std::filesystem::is_directory(tower) ? tower : tower.parent_path();
}

std::string default_template(const LlavaFolder& folder, const std::string& name,
                             const text::Tokenizer& tokenizer) {
  const bool hugging_face = folder.config.layout != LlavaLayout::kOriginal;
  if (hugging_face)
    if (const auto recognised = text::recognise_chat_template(tokenizer.chat_template()))
      return std::string(*recognised);
  const char* type =
      folder.config.decoder == layout::DecoderKind::kMistral ? "llava_mistral" : "llava_llama";
  return std::string(text::default_template(type, name, hugging_face));
}

// The tokenizer with the tokens that the config says the reference adds, in its order.
std::shared_ptr<const text::Tokenizer> load_tokenizer(const Sources& sources) {
  const layout::LlavaConfig& config = sources.model.config;
  // Quirk: the reference loads Mistral's and llava-hf's tokenizers in their fast form, LLaMA's in
  // the slow one.
  const text::TokenizerOptions options{config.layout != LlavaLayout::kOriginal ||
                                       config.decoder == layout::DecoderKind::kMistral};
  auto tokenizer = text::Tokenizer::load(sources.language().path, options);
  if (config.layout != LlavaLayout::kOriginal || !config.has_vision()) return tokenizer;
  std::vector<std::string> added;
  if (config.mm_use_im_patch_token) added.push_back("<im_patch>");
  if (config.mm_use_im_start_end) added.insert(added.end(), {"<im_start>", "<im_end>"});
  return added.empty() ? tokenizer : tokenizer->with_added_tokens(added);
}

LlavaSettings load_settings(const Sources& sources, const std::string& name) {
  LlavaSettings settings;
  settings.config = sources.model.config;
  settings.tower = tower_config(sources);
  settings.tokenizer = load_tokenizer(sources);
  if (settings.tower) {
    const auto folder = settings.config.layout == LlavaLayout::kOriginal ? folder_of(sources.tower)
                                                                         : sources.model.path;
    set_preprocessing(settings, JsonView::load(sources.model.path / "config.json"),
                      JsonView::load(folder / "preprocessor_config.json"));
  }
  settings.prompts.layout = settings.config.layout;
  settings.prompts.default_template = default_template(
      sources.model, name.empty() ? sources.model.name : name, *settings.tokenizer);
  settings.prompts.wraps_media = settings.config.mm_use_im_start_end;
  settings.prompts.image_token = settings.config.image_token_index.value_or(0);
  return settings;
}

weights::WeightSource source(formats::Checkpoint checkpoint, layout::LlavaNames names) {
  return {std::move(checkpoint), std::move(names.map), names.ignores};
}

// What was trained on a base, but for low-rank branches.
std::vector<weights::WeightSource> trained_sources(const LlavaFolder& model) {
  std::vector<weights::WeightSource> all;
  for (const auto& file : {model.projector_file, model.non_lora_trainables_file}) {
    if (file.empty()) continue;
    const auto trained = formats::Checkpoint::open(file);
    all.push_back(source(trained, layout::non_lora_names(trained.names())));
  }
  return all;
}

// Later sources win: a tower inside the checkpoint over the separate one, a trained projector over
// its base.
std::vector<weights::WeightSource> weight_sources(const Sources& sources) {
  std::vector<weights::WeightSource> all;
  const LlavaFolder& language = sources.language();
  const auto checkpoint = formats::Checkpoint::open(language.path);
  if (!sources.tower.empty() && !layout::holds_vision_tower(language.config.layout, checkpoint))
    all.push_back(source(formats::Checkpoint::open(sources.tower), layout::vision_tower_names()));
  all.push_back(source(checkpoint, layout::names_for(language.config.layout, checkpoint)));
  std::ranges::move(trained_sources(sources.model), std::back_inserter(all));
  return all;
}

// Rows of the embedding that the files hold: it may have been grown for added tokens after
// config.json was written.
int64_t stored_vocabulary(std::span<const weights::WeightSource> sources, int64_t configured) {
  for (size_t i = sources.size(); i-- > 0;) {
    const auto name = sources[i].names.to_file("decoder.embed_tokens.weight");
    const formats::RawTensor* table = name ? sources[i].checkpoint.find(name->name) : nullptr;
    if (table != nullptr && table->shape.size() == 2) return table->shape[0];
  }
  return configured;
}

// Quirk: the reference resizes the embedding of a LLaVA to the length of its tokenizer, which also
// drops rows.
int64_t vocabulary(const LlavaSettings& settings, std::span<const weights::WeightSource> sources) {
  const int64_t stored = stored_vocabulary(sources, settings.config.text.vocab_size);
  const bool resizes =
      settings.config.layout == LlavaLayout::kOriginal && settings.config.has_vision();
  return resizes ? std::min(stored, static_cast<int64_t>(settings.tokenizer->vocab_size()))
                 : stored;
}

std::shared_ptr<const LlavaOrigin> origin_of(const Sources& sources,
                                             const std::vector<weights::WeightSource>& weights,
                                             const LoadOptions& load) {
  const auto is_language = [](const weights::WeightSource& source) {
    const auto name = source.names.to_file("decoder.norm.weight");
    return name && source.checkpoint.contains(name->name);
  };
  const auto language = std::ranges::find_if(weights, is_language);
  return std::make_shared<const LlavaOrigin>(
      LlavaOrigin{.config = JsonView::load(sources.model.path / "config.json"),
                  .language = sources.language().path,
                  .tower = sources.tower,
                  .sources = weights,
                  .language_source = static_cast<size_t>(language - weights.begin()),
                  .lora = sources.model.lora,
                  .lora_is_merged = sources.model.lora && load.merge_lora});
}

weights::BindOptions bind_options(const LlavaSettings& settings, const std::filesystem::path& model,
                                  const LoadOptions& load) {
  weights::BindOptions options = storage_options(load);
  options.config = (model / "config.json").string();
  const layout::LlamaConfig& text = settings.config.text;
  options.dimensions = {{"hidden_size", text.hidden_size},
                        {"intermediate_size", text.intermediate_size},
                        {"vocab_size", text.vocab_size}};
  options.first_rows_only = {"decoder.embed_tokens.weight", "decoder.lm_head.weight"};
  if (settings.tower)
    options.dimensions.emplace_back("vision hidden_size", settings.tower->hidden_size);
  return options;
}

}  // namespace

std::shared_ptr<Family> load(const std::string& model, const std::string& base,
                             const std::string& name, const LoadOptions& options) {
  const Sources sources = find_sources(model, base, options);
  LlavaSettings settings = load_settings(sources, name);
  const auto weights = weight_sources(sources);
  settings.config.text.vocab_size = vocabulary(settings, weights);
  settings.fingerprint = fingerprint_of(weights);
  auto modules = std::make_shared<LlavaModules>(settings.config, settings.tower);
  weights::bind_weights(*modules, weights, bind_options(settings, sources.model.path, options));
  settings.origin = origin_of(sources, weights, options);
  if (sources.model.lora) {
    const auto adapter = formats::Checkpoint::open(sources.model.adapter_file);
    const auto names = layout::adapter_names().map;
    const double scaling = sources.model.lora->scaling();
    if (options.merge_lora)
      weights::merge_lora(*modules, adapter, names, scaling);
    else
      weights::attach_lora(*modules, adapter, names, scaling);
  }
  return std::make_shared<Llava>(std::move(settings), std::move(modules));
}

namespace {

void check_stands_on(const LlavaFolder& folder, const LlavaSettings& model) {
  const auto refuse = [&](std::string_view why) {
    throw UnsupportedError(fmt::format("{}: {}", folder.path.string(), why));
  };
  if (!folder.needs_base())
    refuse("holds a whole model, not a projector or a LoRA; serve it as a model of its own");
  if (!model.tower) refuse("the loaded model has no vision tower that a projector could stand on");
  if (model.config.layout != LlavaLayout::kOriginal || model.origin == nullptr)
    refuse(
        "was trained on a model in the files of the original code; the loaded model lies in "
        "another layout");
  if (model.origin->lora_is_merged)
    refuse(
        "the adapter of the loaded model is folded into its weights; load that with "
        "--no-merge-lora");
  // Behind the language model's own files.
  if (brings(std::span(model.origin->sources).subspan(model.origin->language_source + 1),
             "decoder."))
    refuse("the language model of the loaded one is not that of its base: it was trained, too");
  if (folder.config.mm_use_im_start_end != model.config.mm_use_im_start_end ||
      folder.config.mm_use_im_patch_token != model.config.mm_use_im_patch_token)
    refuse(
        "adds other words to the vocabulary than the loaded model (mm_use_im_start_end, "
        "mm_use_im_patch_token)");
}

void check_same_tower(const LlavaFolder& folder, const LlavaSettings& model,
                      const LoadOptions& options) {
  const std::filesystem::path& loaded = model.origin->tower;
  if (loaded.empty() || folder.config.vision_tower.empty()) return;  // it is in the checkpoint
  std::filesystem::path tower;
  try {
    tower = layout::ModelLocator::from_environment().find_vision_tower(folder.config.vision_tower,
                                                                       folder.path, options.vision);
  } catch (const Error&) {
    if (folder.config.vision_tower == model.config.vision_tower) return;
    throw;
  }
  std::error_code ignored;
  if (!std::filesystem::equivalent(tower, loaded, ignored))
    throw ModelError(fmt::format("{}: was trained on the vision tower {}, the loaded model has {}",
                                 folder.path.string(), tower.string(), loaded.string()));
}

bool prepares_alike(const LlavaSettings& one, const LlavaSettings& other) {
  return one.aspect == other.aspect && one.grid_pinpoints == other.grid_pinpoints;
}

}  // namespace

std::shared_ptr<Family> load_beside(const Llava& model, const std::filesystem::path& path,
                                    const LoadOptions& options) {
  const LlavaFolder folder = LlavaFolder::open(path);
  const LlavaSettings& loaded = model.settings();
  const layout::LlavaConfig& loaded_config = loaded.config;
  check_stands_on(folder, loaded);
  check_same_tower(folder, loaded, options);
  const auto trained = trained_sources(folder);

  LlavaSettings settings = loaded;
  layout::LlavaConfig& config = settings.config;
  config = folder.config;
  config.text.vocab_size = loaded_config.text.vocab_size;  // its embedding stays
  config.check_tower(*settings.tower, loaded.origin->tower.string());
  settings.origin = nullptr;
  settings.prompts.default_template = default_template(folder, folder.name, *settings.tokenizer);
  set_tiling(settings);

  const bool taps_alike = config.select_layer == loaded_config.select_layer &&
                          config.select_feature == loaded_config.select_feature;
  const bool projects_alike = config.projector_name() == loaded_config.projector_name() &&
                              config.has_image_newline == loaded_config.has_image_newline;
  LlavaModules::Own own{};
  own.encoder = !taps_alike || brings(trained, "encoder.");
  own.aligner = !projects_alike || brings(trained, "aligner.");
  own.decoder = folder.lora || loaded.origin->lora || brings(trained, "decoder.") ||
                config.text != loaded_config.text;
  LlavaModules& from = *model.shared_modules();
  auto modules = std::make_shared<LlavaModules>(config, *settings.tower, own, from);
  weights::BindOptions binding = bind_options(settings, folder.path, options);
  if (own.encoder) weights::share_weights(*from.encoder, *modules->encoder, binding.config);
  if (own.decoder) weights::share_weights(*from.decoder, *modules->decoder, binding.config);
  // Encoder and decoder are whole already, and so is an aligner that is not its own.
  binding.present = own.aligner ? "*coder.*" : "*";
  weights::bind_weights(*modules, trained, binding);
  std::string files = fingerprint_of(trained);
  if (folder.lora) {
    const auto adapter = formats::Checkpoint::open(folder.adapter_file);
    const auto names = layout::adapter_names();
    weights::attach_lora(*modules, adapter, names.map, folder.lora->scaling());
    const weights::WeightSource beside{adapter, names.map};
    files += fingerprint_of(std::span(&beside, 1));
  }
  settings.fingerprint = hash_text(loaded.fingerprint + files).hex();
  settings.feature_fingerprint = !own.encoder && prepares_alike(settings, loaded)
                                     ? model.feature_fingerprint()
                                     : settings.fingerprint;
  return std::make_shared<Llava>(std::move(settings), std::move(modules));
}

}  // namespace isthmus::families::llava
