#include "families/llava/llava.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/ordered_json.h"
#include "families/documents.h"
#include "families/llava/examples.h"
#include "families/llava/load.h"
#include "families/llava/merge_tiles.h"
#include "families/llava/save.h"
#include "families/llava/save_gguf.h"
#include "isthmus/error.h"
#include "layout/llava_module_tree.h"
#include "media/decode_image.h"
#include "text/tokenize_prompt.h"

namespace isthmus::families::llava {
namespace {

aligners::ProjectorOptions projector_options(const layout::LlavaConfig& config) {
  aligners::ProjectorOptions options;
  options.mm_hidden_size = config.mm_hidden_size;
  options.hidden_size = config.text.hidden_size;
  options.depth = config.projector_depth;
  options.sequential = config.projector_type == layout::ProjectorType::kMlp;
  options.bias = config.projector_bias;
  options.image_newline = config.has_image_newline;
  return options;
}

encoders::ClipVitOptions encoder_options(const layout::LlavaConfig& config) {
  return {config.select_layer, config.select_feature == layout::SelectFeature::kClsPatch};
}

modalities::AspectMode aspect_of(layout::ImageAspectRatio ratio) {
  switch (ratio) {
    case layout::ImageAspectRatio::kPad: return modalities::AspectMode::kPad;
    case layout::ImageAspectRatio::kAnyres: return modalities::AspectMode::kAnyres;
    case layout::ImageAspectRatio::kCrop: return modalities::AspectMode::kSquare;
  }
  return modalities::AspectMode::kSquare;
}

}  // namespace

void set_tiling(LlavaSettings& settings) {
  settings.aspect = aspect_of(settings.config.image_aspect_ratio);
  settings.grid_pinpoints.clear();
  for (const layout::PixelSize& size : settings.config.grid_pinpoints)
    settings.grid_pinpoints.emplace_back(size.width, size.height);
}

void set_preprocessing(LlavaSettings& settings, const JsonView& config,
                       const JsonView& preprocessor) {
  set_tiling(settings);
  settings.image = modalities::ClipImageConfig::parse(preprocessor);
  settings.media = config.raw().dump() + preprocessor.raw().dump();
  if (settings.tower) {  // its own file may lie elsewhere; its sizes are the weights' shapes
    const layout::ClipVisionConfig& tower = *settings.tower;
    settings.media += fmt::format(" {} {} {} {} {}", tower.image_size, tower.patch_size,
                                  tower.num_attention_heads, tower.layer_norm_eps,
                                  static_cast<int>(tower.hidden_act));
  }
}

LlavaModules::LlavaModules(const layout::LlavaConfig& config,
                           const std::optional<layout::ClipVisionConfig>& tower) {
  if (tower) {
    encoder = register_module("encoder", encoders::ClipVit(*tower, encoder_options(config)));
    aligner = register_module("aligner",
                              std::make_shared<aligners::Projector>(projector_options(config)));
  }
  decoder = register_module("decoder", std::make_shared<decoders::Llama>(config.text));
}

LlavaModules::LlavaModules(const layout::LlavaConfig& config, const layout::ClipVisionConfig& tower,
                           Own own, const LlavaModules& other)
    : encoder(own.encoder ? encoders::ClipVit(tower, encoder_options(config)) : other.encoder),
      aligner(own.aligner ? std::make_shared<aligners::Projector>(projector_options(config))
                          : other.aligner),
      decoder(own.decoder ? std::make_shared<decoders::Llama>(config.text) : other.decoder) {
  register_module("encoder", encoder);
  register_module("aligner", aligner);
  register_module("decoder", decoder);
}

Llava::Llava(LlavaSettings settings, std::shared_ptr<LlavaModules> modules)
    : settings_(std::move(settings)), modules_(std::move(modules)) {}

// Positions beyond max_position_embeddings were never trained, but scaled rotary frequencies reach
// further.
int64_t Llava::context_length() const {
  const layout::LlamaConfig& text = settings_.config.text;
  const double factor = text.rope_scaling == layout::RopeScaling::kNone ? 1.0 : text.rope_factor;
  return static_cast<int64_t>(static_cast<double>(text.max_position_embeddings) * factor);
}

modalities::Prepared Llava::prepare(const MediaSource& source) const {
  if (!settings_.tower)
    throw UsageError("this model is a language model without a vision tower; it takes no pictures");
  require_plain_picture(source);
  const media::Image image = source.part->path.empty()
                                 ? media::decode_image(source.part->data, source.name)
                                 : media::load_image(source.part->path);
  return modalities::prepare_clip_image(image, settings_.image, settings_.aspect,
                                        settings_.grid_pinpoints);
}

namespace {

ExampleRules rules_of(const ExampleOptions& options, const PromptRules& prompts) {
  ExampleRules rules;
  rules.conversation_template = options.conversation_template;
  if (options.max_length > 0) rules.max_length = options.max_length;
  rules.wraps_media = prompts.wraps_media;
  return rules;
}

}  // namespace

// Without a template there are no conversations, only texts.
void Llava::check_template(const ExampleOptions& options) const {
  if (!options.conversation_template.empty())
    llava::check_template(rules_of(options, settings_.prompts), *settings_.tokenizer);
}

Example Llava::example(const samples::Sample& sample, const ExampleOptions& options) const {
  if (const auto plain = as_plain(sample)) {
    ExampleOptions own = options;
    own.conversation_template = "plain";
    return example(*plain, own);
  }
  if (sample.turns.empty() && !sample.document.empty())
    return text_example(sample, *settings_.tokenizer, options.max_length);
  const ExampleRules rules = rules_of(options, settings_.prompts);
  Example example;
  const LabelledConversation labelled = label(sample, rules, *settings_.tokenizer);
  example.mismatch = labelled.mismatch;
  example.segments = segments_of(labelled, rules, *settings_.tokenizer);
  weigh_answers(sample, example.segments);
  example.max_rows = rules.max_length;
  size_t shown = 0;
  for (const Segment& segment : example.segments)
    if (const auto* medium = std::get_if<MediaSegment>(&segment)) shown = medium->input + 1;
  try {
    for (size_t i = 0; i < shown; ++i)
      example.media.push_back(prepare({&sample.media.at(i), sample.name}));
  } catch (const InputError& error) {
    throw samples::BadSample(sample.name, error.what());
  }
  return example;
}

namespace {

// Media that go through the encoder together: those of small pictures, which alone are too little
// work. Large ones fill the processor by themselves.
size_t end_of_batch(std::span<const modalities::Prepared> media, size_t begin, int64_t patches) {
  constexpr int64_t kPatches = 2048;
  int64_t sum = 0;
  size_t end = begin;
  while (end < media.size() && (end == begin || sum + media[end].shape[0] * patches <= kPatches) &&
         media[end].shape.size() == media[begin].shape.size() &&
         std::equal(media[end].shape.begin() + 1, media[end].shape.end(),
                    media[begin].shape.begin() + 1))
    sum += media[end++].shape[0] * patches;
  return end;
}

}  // namespace

std::vector<MediaFeatures> Llava::features(std::span<const modalities::Prepared> media,
                                           nn::Probe* probe) {
  std::vector<MediaFeatures> features;
  if (media.empty()) return features;
  ISTHMUS_CHECK(settings_.tower, "a prepared picture implies a vision tower");
  const RecordingFor recording(*modules_->encoder);
  nn::ForwardContext context;
  context.probe = probe;
  for (size_t begin = 0; begin < media.size();) {
    // A probe sees one medium after the other.
    const size_t end =
        probe != nullptr ? begin + 1 : end_of_batch(media, begin, settings_.tower->num_patches());
    std::vector<Tensor> pixels;
    std::vector<int64_t> tiles;
    for (const modalities::Prepared& medium : media.subspan(begin, end - begin)) {
      pixels.push_back(tensor_of(medium));
      tiles.push_back(pixels.back().size(0));
    }
    const Tensor values =
        modules_->encoder
            ->forward(pixels.size() == 1 ? pixels.front() : torch::cat(pixels), context)
            .values;
    const auto parts = values.split_with_sizes(tiles);
    for (size_t i = begin; i < end; ++i)
      features.push_back({parts[i - begin], media[i].modality, media[i].geometry});
    begin = end;
  }
  return features;
}

std::vector<EncodedMedia> Llava::align(std::span<const MediaFeatures> features, nn::Probe* probe) {
  nn::ForwardContext context;
  context.probe = probe;
  const layout::LlavaConfig& config = settings_.config;
  const bool unpads = config.patch_merge_type == layout::PatchMergeType::kSpatialUnpad;
  const auto rule = config.layout == layout::LlavaLayout::kOriginal
                        ? modalities::UnpadRule::kTruncate
                        : modalities::UnpadRule::kRoundThenTruncate;
  std::vector<EncodedMedia> encoded;
  for (const MediaFeatures& medium : features) {
    EncodedMedia& result = encoded.emplace_back();
    result.features = medium.values.detach();
    result.projected = modules_->aligner->align({medium.values}, context).tokens;
    result.tokens =
        merge_tiles(result.projected, unpads ? modules_->aligner->image_newline() : Tensor(),
                    config.patch_merge_type, medium.geometry, rule);
  }
  return encoded;
}

std::vector<Segment> Llava::segments(const Request& request, std::span<const int64_t> rows) const {
  return tokenize(request, settings_.prompts, *settings_.tokenizer, rows);
}

std::vector<int64_t> Llava::displayed_ids(std::span<const Segment> segments,
                                          std::span<const int64_t> rows) const {
  std::vector<int64_t> ids;
  for (const Segment& segment : segments) {
    if (const auto* text = std::get_if<TextSegment>(&segment))
      ids.insert(ids.end(), text->ids.begin(), text->ids.end());
    else if (settings_.config.layout == layout::LlavaLayout::kOriginal)
      ids.push_back(text::kMediaMarker);
    else
      ids.insert(ids.end(), static_cast<size_t>(rows[std::get<MediaSegment>(segment).input]),
                 settings_.prompts.image_token);
  }
  return ids;
}

StopRules Llava::stop_rules(const Request& request) const {
  StopRules rules{settings_.config.eos_token_ids, {}};
  if (!request.is_literal())
    rules.strings = text::template_stop_strings(template_of(request, settings_.prompts));
  return rules;
}

bool Llava::reuses_prefix() const {
  return settings_.config.text.rope_scaling != layout::RopeScaling::kDynamic;
}

Padding Llava::padding() const {
  return settings_.config.tokenizer_padding_side == layout::PaddingSide::kLeft ? Padding::kLeft
                                                                               : Padding::kRight;
}

// The reference generates from embeddings, so its logits processors see a lone BOS as the prompt.
std::vector<int64_t> Llava::seen_before(std::span<const Segment>) const {
  if (const auto bos = settings_.tokenizer->bos_id()) return {*bos};
  return {};
}

std::string Llava::print() const {
  return layout::to_string(layout::llava_module_tree(settings_.config, settings_.tower));
}

namespace {

const LlavaOrigin& origin_of(const LlavaSettings& settings) {
  if (settings.origin == nullptr)
    throw UnsupportedError(
        "a model that was read from GGUF files is written by isthmus quantize alone, as one file");
  return *settings.origin;
}

}  // namespace

void Llava::save(const std::filesystem::path& folder, const OutputOptions& options) {
  llava::save(*modules_, settings_, origin_of(settings_), folder, options);
}

void Llava::save_gguf(const std::filesystem::path& folder, GgufStorage storage) {
  llava::save_gguf(*modules_, settings_, origin_of(settings_), folder, storage);
}

std::shared_ptr<Family> Llava::with_aligner(const std::filesystem::path& folder,
                                            const LoadOptions& options) const {
  return load_beside(*this, folder, options);
}

Package Llava::package() const {
  return settings_.gguf ? *settings_.gguf : llava::package(origin_of(settings_));
}

}  // namespace isthmus::families::llava
