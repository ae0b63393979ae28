#include "families/llava/load.h"

#include <algorithm>

#include <fmt/format.h>

#include "families/llava/llava.h"
#include "families/llava/save.h"
#include "families/storage.h"
#include "formats/checkpoint.h"
#include "isthmus/error.h"
#include "layout/llava_names.h"
#include "weights/bind.h"
#include "weights/lora.h"

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
    set_preprocessing(settings, JsonView::load(folder / "preprocessor_config.json"));
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

// Later sources win: a tower inside the checkpoint over the separate one, a trained projector over
// its base.
std::vector<weights::WeightSource> weight_sources(const Sources& sources) {
  std::vector<weights::WeightSource> all;
  const LlavaFolder& language = sources.language();
  const auto checkpoint = formats::Checkpoint::open(language.path);
  if (!sources.tower.empty() && !layout::holds_vision_tower(language.config.layout, checkpoint))
    all.push_back(source(formats::Checkpoint::open(sources.tower), layout::vision_tower_names()));
  all.push_back(source(checkpoint, layout::names_for(language.config.layout, checkpoint)));
  for (const auto& file : {sources.model.projector_file, sources.model.non_lora_trainables_file}) {
    if (file.empty()) continue;
    const auto trained = formats::Checkpoint::open(file);
    all.push_back(source(trained, layout::non_lora_names(trained.names())));
  }
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

weights::BindOptions bind_options(const LlavaSettings& settings, const Sources& sources,
                                  const LoadOptions& load) {
  weights::BindOptions options = storage_options(load);
  options.config = (sources.model.path / "config.json").string();
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
  weights::bind_weights(*modules, weights, bind_options(settings, sources, options));
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

}  // namespace isthmus::families::llava
