#include "layout/flamingo_model.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/clip_vision_config.h"
#include "layout/config_checks.h"
#include "layout/flamingo_module_tree.h"
#include "layout/flamingo_names.h"

namespace isthmus::layout {

namespace {

// Lists of decoder blocks, by the language models that call them so.
struct BlockList {
  std::string_view path, families;
};
constexpr std::array kBlockLists = {
    BlockList{"transformer.blocks", "MPT or MosaicGPT"}, BlockList{"gpt_neox.layers", "GPT-NeoX"},
    BlockList{"model.decoder.layers", "OPT"}, BlockList{"model.layers", "LLaMA"},
    BlockList{"transformer.h", "GPT-J"}};

OpenClipVisionConfig read_vision(const FlamingoSources& sources,
                                 const formats::Checkpoint& weights) {
  if (sources.vision_files == VisionFiles::kOpenClip)
    return OpenClipVisionConfig::read(weights, sources.vision_config);
  const JsonView json = JsonView::load(sources.vision / "config.json");
  const ClipVisionConfig clip = ClipVisionConfig::parse(json);
  // CLIPConfig's own default.
  const int64_t embed_dim = bounded(json, "projection_dim", kMaxWidth, 512);
  return {clip.hidden_size,
          clip.num_hidden_layers,
          clip.num_attention_heads,
          clip.intermediate_size,
          clip.image_size,
          clip.patch_size,
          embed_dim,
          clip.hidden_act,
          clip.layer_norm_eps};
}

// "lang_encoder.gpt_neox.layers.3.gated_cross_attn_layer.ff_gate" -> "gpt_neox.layers"; "" for the
// names of the first version, which do not tell.
std::string_view blocks_in(std::string_view name) {
  constexpr std::string_view kLanguage = "lang_encoder.", kGated = ".gated_cross_attn_layer.";
  const size_t end = name.find(kGated);
  if (!name.starts_with(kLanguage) || end == std::string_view::npos) return {};
  const std::string_view path = name.substr(0, end).substr(kLanguage.size());
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

void check_kind(const FlamingoSources& sources, const formats::Checkpoint& checkpoint,
                const LanguageModelShape& language, const DecoderNames& names) {
  for (const std::string& name : checkpoint.names()) {
    const std::string_view blocks = blocks_in(name);
    if (blocks.empty() || blocks == names.blocks) continue;
    const auto* list = std::ranges::find(kBlockLists, blocks, &BlockList::path);
    throw ModelError(fmt::format(
        "{}: its gated blocks stand in lang_encoder.{}{}; the language model {} is {}, whose "
        "blocks stand in {}. Name the one it was trained with by --base",
        sources.checkpoint.string(), blocks,
        list == kBlockLists.end() ? std::string() : fmt::format(", as those of {}", list->families),
        sources.language_model.string(), language.family, names.blocks));
  }
}

void check_spacing(const FlamingoSources& sources, const FlamingoConfig& config) {
  const auto stated = sources.cross_attn_every_n_layers;
  if (!stated || *stated == config.cross_attn_every_n_layers) return;
  throw ModelError(fmt::format(
      "{}: has a gated cross-attention block every {} layers ({} of them, the first at layer {}), "
      "but {} states cross_attn_every_n_layers: {}. Is it the checkpoint of another model?",
      sources.checkpoint.string(), config.cross_attn_every_n_layers, config.num_blocks,
      config.cross_attn_every_n_layers - 1, sources.name, *stated));
}

void check_vision(const FlamingoSources& sources, const FlamingoConfig& config,
                  const OpenClipVisionConfig& vision) {
  if (config.vis_dim() == vision.width) return;
  throw ModelError(fmt::format(
      "{}: was trained with a vision tower of width {} (perceiver.latents), {} has width {}. Name "
      "the one it was trained with by --vision",
      sources.checkpoint.string(), config.vis_dim(), sources.vision.string(), vision.width));
}

void check_vocabulary(const FlamingoSources& sources, const formats::Checkpoint& checkpoint,
                      const DecoderNames& names, const FlamingoTokens& tokens) {
  const formats::NameMap map = names.map();
  for (const std::string& name : checkpoint.names()) {
    const auto own = language_model_name(name);
    if (!own || names.ignores(*own)) continue;
    const auto module = map.to_module(*own);
    if (!module || std::ranges::find(names.vocabulary, module->name) == names.vocabulary.end())
      continue;
    const Shape& shape = checkpoint.at(name).shape;
    if (shape.size() == 2 && shape[0] == tokens.size()) continue;
    throw ModelError(fmt::format(
        "{}: {} is {}, but the tokenizer in {} has {} tokens ({}, and {} that Flamingo adds). Is "
        "it the tokenizer the checkpoint was trained with?",
        sources.checkpoint.string(), name, isthmus::to_string(shape),
        sources.tokenizer_folder().string(), tokens.size(), tokens.base_size,
        tokens.size() - tokens.base_size));
  }
}

FlamingoConfig read_config(const FlamingoSources& sources,
                           const std::optional<formats::Checkpoint>& checkpoint,
                           const OpenClipVisionConfig& vision, const LanguageModelShape& language,
                           const DecoderNames& names) {
  FlamingoConfig config{};
  if (checkpoint) {
    check_kind(sources, *checkpoint, language, names);
    config = FlamingoConfig::read(*checkpoint);
    check_spacing(sources, config);
    config.require_fits(language.num_hidden_layers, language.hidden_size,
                        sources.checkpoint.string(), sources.language_model.string());
    check_vision(sources, config, vision);
  } else {
    // The reference's factory has a block before every layer unless told otherwise.
    const int64_t every = sources.cross_attn_every_n_layers.value_or(1);
    if (every > language.num_hidden_layers)
      throw ModelError(fmt::format(
          "{}: cross_attn_every_n_layers: {}, but the language model {} has {} layers",
          sources.name, every, sources.language_model.string(), language.num_hidden_layers));
    config = FlamingoConfig::fresh(vision.width, language.hidden_size, language.num_hidden_layers,
                                   every);
  }
  config.cross_attention.only_attend_immediate_media = sources.only_attend_immediate_media;
  config.vision_ln_post = sources.vision_ln_post;
  return config;
}

}  // namespace

FlamingoModel FlamingoModel::open(FlamingoSources sources) {
  const JsonView language_config = JsonView::load(sources.language_model / "config.json");
  const std::string type = language_config.string("model_type");
  const LanguageModelShape language = LanguageModelShape::parse(type, language_config);
  DecoderNames names = decoder_names(type, language_config);
  auto vision_weights = formats::Checkpoint::open(sources.vision);
  const OpenClipVisionConfig vision = read_vision(sources, vision_weights);
  std::optional<formats::Checkpoint> checkpoint;
  if (!sources.checkpoint.empty()) checkpoint = formats::Checkpoint::open(sources.checkpoint);
  const FlamingoConfig config = read_config(sources, checkpoint, vision, language, names);
  FlamingoTokens tokens = FlamingoTokens::load(sources.tokenizer_folder());
  if (checkpoint) check_vocabulary(sources, *checkpoint, names, tokens);
  auto language_weights = formats::Checkpoint::open(sources.language_model);
  return {std::move(sources),
          std::move(vision_weights),
          vision,
          std::move(language_weights),
          language_config,
          type,
          language,
          std::move(names),
          std::move(checkpoint),
          config,
          std::move(tokens)};
}

ModuleNode FlamingoModel::module_tree() const {
  return flamingo_module_tree(config, vision, language_type, language_config, vocab_size());
}

}  // namespace isthmus::layout
