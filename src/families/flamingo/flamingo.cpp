#include "families/flamingo/flamingo.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "decoders/registry.h"
#include "families/flamingo/examples.h"
#include "families/flamingo/load.h"
#include "families/flamingo/prompts.h"
#include "families/flamingo/save.h"
#include "isthmus/error.h"
#include "media/decode_image.h"
#include "modalities/open_clip_image.h"

namespace isthmus::families::flamingo {
namespace {

// Pictures that go through the tower together: its weights are packed once for all of them, and
// their activations stay below some hundred megabytes.
constexpr size_t kPicturesAtOnce = 8;

layout::ClipVisionConfig hugging_face_config(const layout::OpenClipVisionConfig& vision) {
  layout::ClipVisionConfig config{};
  config.hidden_size = vision.width;
  config.intermediate_size = vision.intermediate_size;
  config.num_hidden_layers = vision.layers;
  config.num_attention_heads = vision.heads;
  config.image_size = vision.image_size;
  config.patch_size = vision.patch_size;
  config.num_channels = 3;
  config.layer_norm_eps = vision.layer_norm_eps;
  config.hidden_act = vision.activation;
  return config;
}

// [n, 3, S, S]
Tensor stacked_pixels(std::span<const modalities::Prepared> media) {
  std::vector<Tensor> pixels;
  for (const modalities::Prepared& medium : media) pixels.push_back(tensor_of(medium));
  return torch::cat(pixels, 0);
}

// visit(group) for as many media at a time as go through together.
template <typename Medium, typename Visit>
void for_each_group(std::span<const Medium> media, const nn::Probe* probe, const Visit& visit) {
  const size_t at_once = probe != nullptr ? 1 : kPicturesAtOnce;
  for (size_t begin = 0; begin < media.size(); begin += at_once)
    visit(media.subspan(begin, std::min(at_once, media.size() - begin)));
}

}  // namespace

FlamingoModules::FlamingoModules(const layout::FlamingoModel& model) {
  if (model.sources.vision_files == layout::VisionFiles::kOpenClip) {
    open_clip = register_module(
        "encoder", encoders::OpenClipVit(
                       model.vision, encoders::OpenClipVitOptions{model.config.vision_ln_post}));
  } else {
    if (model.config.vision_ln_post)
      throw UnsupportedError(fmt::format("{}: vision_ln_post needs the tower in open_clip's layout",
                                         model.sources.vision.string()));
    const encoders::ClipVitOptions last_layer{.select_layer = -1, .keep_class_token = false};
    hugging_face = register_module(
        "encoder", encoders::ClipVit(hugging_face_config(model.vision), last_layer));
  }
  aligner = register_module("aligner", std::make_shared<aligners::FlamingoAligner>(model.config));
  decoder = register_module(
      "decoder", decoders::make_language_model(model.language_type, model.language_config,
                                               model.vocab_size()));
}

FlamingoModules::FlamingoModules(const layout::FlamingoModel& model, const FlamingoModules& other,
                                 bool own_decoder)
    : open_clip(other.open_clip),
      hugging_face(other.hugging_face),
      aligner(std::make_shared<aligners::FlamingoAligner>(model.config)),
      decoder(own_decoder ? decoders::make_language_model(model.language_type,
                                                          model.language_config, model.vocab_size())
                          : other.decoder) {
  if (open_clip.is_empty())
    register_module("encoder", hugging_face);
  else
    register_module("encoder", open_clip);
  register_module("aligner", aligner);
  register_module("decoder", decoder);
}

nn::Features FlamingoModules::encode(const Tensor& pixels, const nn::ForwardContext& context) {
  return open_clip.is_empty() ? hugging_face->forward(pixels, context)
                              : open_clip->forward(pixels, context);
}

Tensor FlamingoModules::image_embedding(const Tensor& pixels) {
  if (open_clip.is_empty())
    throw UnsupportedError(
        "examples are compared in CLIP's joint space, whose projection this vision folder is "
        "loaded without; name open_clip's or OpenAI's file with --vision");
  return open_clip->image_embedding(pixels);
}

Flamingo::Flamingo(layout::FlamingoModel model, std::shared_ptr<FlamingoModules> modules,
                   std::string fingerprint, std::string feature_fingerprint)
    : model_(std::move(model)),
      modules_(std::move(modules)),
      fingerprint_(std::move(fingerprint)),
      feature_fingerprint_(std::move(feature_fingerprint)) {}

std::shared_ptr<Family> Flamingo::with_aligner(const std::filesystem::path& folder,
                                               const LoadOptions& options) const {
  return load_beside(*this, folder, options);
}

modalities::Prepared Flamingo::prepare(const MediaSource& source) const {
  require_plain_picture(source);
  const Part& part = *source.part;
  const media::NativeImage image = part.path.empty()
                                       ? media::decode_native_image(part.data, source.name)
                                       : media::load_native_image(part.path);
  return modalities::prepare_open_clip_image(image, {.image_size = model_.vision.image_size});
}

void Flamingo::check_template(const ExampleOptions& options) const {
  flamingo::check_template(options.conversation_template, model_.tokens);
}

Example Flamingo::example(const samples::Sample& sample, const ExampleOptions& options) const {
  return make_example(sample, options, model_.tokens,
                      [this, &sample](const Part& picture, const std::string& name) {
                        try {
                          return prepare({&picture, name});
                        } catch (const InputError& error) {
                          throw samples::BadSample(sample.name, error.what());
                        }
                      });
}

std::vector<MediaFeatures> Flamingo::features(std::span<const modalities::Prepared> media,
                                              nn::Probe* probe) {
  const RecordingFor recording(*modules_->named_children()["encoder"]);
  nn::ForwardContext context;
  context.probe = probe;
  std::vector<MediaFeatures> features;
  for_each_group(media, probe, [&](std::span<const modalities::Prepared> group) {
    const Tensor values = modules_->encode(stacked_pixels(group), context).values;
    for (int64_t i = 0; i < values.size(0); ++i) {
      const modalities::Prepared& medium = group[static_cast<size_t>(i)];
      features.push_back({values.narrow(0, i, 1), medium.modality, medium.geometry});
    }
  });
  return features;
}

std::vector<EncodedMedia> Flamingo::align(std::span<const MediaFeatures> features,
                                          nn::Probe* probe) {
  const RecordingFor recording(*modules_->aligner);
  nn::ForwardContext context;
  context.probe = probe;
  std::vector<EncodedMedia> encoded;
  for_each_group(features, probe, [&](std::span<const MediaFeatures> group) {
    std::vector<Tensor> values;
    for (const MediaFeatures& medium : group) values.push_back(medium.values);
    const Tensor latents = modules_->aligner->align({torch::cat(values, 0)}, context).memory;
    for (int64_t i = 0; i < latents.size(0); ++i) {
      EncodedMedia& medium = encoded.emplace_back();
      medium.features = values[static_cast<size_t>(i)].detach();
      if (torch::GradMode::is_enabled() && latents.requires_grad())
        medium.memory = std::make_shared<nn::MediaMemory>(nn::MediaMemory{latents[i], {}});
      else
        medium.memory = modules_->aligner->remember(latents[i].clone());  // not the whole group
    }
  });
  return encoded;
}

std::vector<std::vector<float>> Flamingo::embed_images(
    std::span<const modalities::Prepared> media) {
  std::vector<std::vector<float>> embeddings;
  for (size_t begin = 0; begin < media.size(); begin += kPicturesAtOnce) {
    const auto group = media.subspan(begin, std::min(kPicturesAtOnce, media.size() - begin));
    const Tensor rows = modules_->image_embedding(stacked_pixels(group)).contiguous();
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const float* row = rows[i].data_ptr<float>();
      embeddings.emplace_back(row, row + rows.size(1));
    }
  }
  return embeddings;
}

std::vector<Segment> Flamingo::segments(const Request& request, std::span<const int64_t>) const {
  return tokenize(request, model_.tokens);
}

std::vector<int64_t> Flamingo::displayed_ids(std::span<const Segment> segments,
                                             std::span<const int64_t>) const {
  std::vector<int64_t> ids;
  for (const Segment& segment : segments) {
    if (const auto* text = std::get_if<TextSegment>(&segment))
      ids.insert(ids.end(), text->ids.begin(), text->ids.end());
    else
      ids.push_back(std::get<MediaSegment>(segment).marker);
  }
  return ids;
}

StopRules Flamingo::stop_rules(const Request& request) const {
  StopRules rules{{model_.tokens.endofchunk}, {}};
  if (!request.is_literal()) rules.strings = form_stop_strings(request);
  return rules;
}

std::vector<int64_t> Flamingo::seen_before(std::span<const Segment> segments) const {
  return displayed_ids(segments, {});
}

// What is not here follows from the shapes of the weights.
std::string Flamingo::media_settings() const {
  const layout::OpenClipVisionConfig& vision = model_.vision;
  const layout::FlamingoConfig& config = model_.config;
  return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}",
                     model_.sources.vision_files == layout::VisionFiles::kHuggingFace,
                     vision.image_size, vision.patch_size, vision.heads, vision.layer_norm_eps,
                     static_cast<int>(vision.activation), config.vision_ln_post,
                     config.resampler.heads, config.resampler.dim_head,
                     config.cross_attention.heads, config.cross_attention.dim_head,
                     config.cross_attn_every_n_layers);
}

LateMarker Flamingo::late_marker(const GenerationConfig& config) const {
  const auto quirk = config.quirks.find("image_token_resets_media");
  if (quirk != config.quirks.end() && !quirk->second) return LateMarker::kIgnored;
  // A model whose config turns the cache off is read anew for every token, markers included.
  const bool has_cache = model_.language_config.boolean("use_cache", true);
  return has_cache ? LateMarker::kResets : LateMarker::kCounts;
}

// The reference pads with the language model's own padding token where its config has one, else
// with the end of the answer.
int64_t Flamingo::pad_id() const {
  if (const auto pad = model_.language_config.find("pad_token_id")) return pad->as_integer();
  return model_.tokens.endofchunk;
}

std::string Flamingo::print() const { return layout::to_string(model_.module_tree()); }

void Flamingo::save(const std::filesystem::path& folder, const OutputOptions& options) {
  flamingo::save(*modules_, model_, weight_sources(model_), folder, options);
}

Package Flamingo::package() const { return flamingo::package(model_, weight_sources(model_)); }

}  // namespace isthmus::families::flamingo
