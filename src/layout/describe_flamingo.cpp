#include "layout/describe_flamingo.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "base/dtype.h"
#include "formats/bundle.h"
#include "layout/flamingo_module_tree.h"
#include "layout/flamingo_names.h"
#include "layout/llava_folder.h"
#include "layout/llava_module_tree.h"
#include "layout/llava_names.h"
#include "layout/open_clip_names.h"
#include "text/few_shot_form.h"

namespace isthmus::layout {

namespace fs = std::filesystem;

namespace {

using Parameters = std::vector<ModuleNode::Parameter>;

constexpr std::string_view kCrossAttention = "aligner.cross_attention.";
constexpr int64_t kFloatBytes = 4;

template <typename Names>
void read_headers(const formats::Checkpoint& checkpoint, const Names& names, const fs::path& source,
                  StoredTensors& into) {
  for (const std::string& name : checkpoint.names()) {
    if (names.ignores(name)) continue;
    const auto mapped = names.map.to_module(name);
    if (!mapped) continue;
    const formats::RawTensor& tensor = checkpoint.at(name);
    into[mapped->name] = {tensor.shape, tensor.dtype, source};
  }
}

LanguageModelNames own_names(const FlamingoModel& model) {
  return {model.language_names.map(), model.language_names.ignores};
}

// The language model's files, then the checkpoint, which replaces the embedding's rows.
StoredTensors stored_tensors(const FlamingoModel& model) {
  StoredTensors stored;
  const FlamingoSources& sources = model.sources;
  if (sources.vision_files == VisionFiles::kOpenClip)
    read_headers(model.vision_weights, open_clip_names(model.vision_weights), sources.vision,
                 stored);
  else
    read_headers(model.vision_weights, vision_tower_names(), sources.vision, stored);
  read_headers(model.language_weights, own_names(model), sources.language_model, stored);
  // A resized embedding is still read from these rows.
  for (const std::string& name : model.language_names.vocabulary)
    if (const auto found = stored.find(name); found != stored.end() &&
                                              found->second.shape.size() == 2 &&
                                              found->second.shape[0] == model.language.vocab_size)
      found->second.shape[0] = model.vocab_size();
  if (model.checkpoint) {
    const LanguageModelNames language = own_names(model);
    read_headers(*model.checkpoint, flamingo_names(*model.checkpoint, &language),
                 sources.checkpoint, stored);
  }
  return stored;
}

Parameters below(std::string_view prefix, const Parameters& parameters) {
  Parameters found;
  for (const ModuleNode::Parameter& parameter : parameters)
    if (parameter.name.starts_with(prefix)) found.push_back(parameter);
  return found;
}

// Of a CLIP folder in the names of Hugging Face.
Parameters hugging_face_tower(const FlamingoModel& model) {
  const formats::NameMap map = vision_tower_names().map;
  Parameters parameters =
      named_parameters(clip_module_tree(load_tower_config(model.sources.vision)));
  for (ModuleNode::Parameter& parameter : parameters)
    if (const auto mapped = map.to_module(parameter.name)) parameter.name = mapped->name;
  return parameters;
}

std::string encoder_architecture(const OpenClipVisionConfig& vision) {
  return fmt::format("{}, {} layers of {}, {} heads, feed-forward {}, {}, {}x{} pixels",
                     tower_name(vision.width, vision.patch_size), vision.layers, vision.width,
                     vision.heads, vision.intermediate_size,
                     vision.activation == Activation::kQuickGelu ? "QuickGELU" : "GELU",
                     vision.image_size, vision.image_size);
}

std::string resampler_architecture(const ResamplerConfig& resampler) {
  std::string text =
      fmt::format("Perceiver, {} layers of {}, {} heads of {}, {} latents", resampler.depth,
                  resampler.dim, resampler.heads, resampler.dim_head, resampler.num_latents);
  if (resampler.max_num_frames > 0) text += fmt::format(", {} frames", resampler.max_num_frames);
  if (resampler.max_num_media > 0)
    text += fmt::format(", {} media in order", resampler.max_num_media);
  return text;
}

std::string cross_attention_architecture(const FlamingoConfig& config) {
  const CrossAttentionConfig& block = config.cross_attention;
  return fmt::format(
      "{} blocks, one every {}, {} heads of {}, {} to {}, feed-forward {}", config.num_blocks,
      config.cross_attn_every_n_layers == 1
          ? std::string("layer")
          : fmt::format("{} layers", config.cross_attn_every_n_layers),
      block.heads, block.dim_head, block.vis_dim, block.lang_dim, block.intermediate_size);
}

// The first element, which is all there is of a gate.
double first_value(const formats::RawTensor& tensor) {
  const auto read = [&](auto value) {
    std::memcpy(&value, tensor.bytes.data(), sizeof value);
    return value;
  };
  switch (tensor.dtype) {
    case DType::kF64: return read(double{});
    case DType::kF32: return read(float{});
    case DType::kF16: return half_to_float(read(uint16_t{}));
    case DType::kBF16: return bfloat16_to_float(read(uint16_t{}));
    default: return std::nan("");
  }
}

// Gates that are no single number are left out here: they are listed with what does not fit.
std::vector<GateDescription> describe_gates(const FlamingoModel& model) {
  std::vector<GateDescription> gates;
  if (!model.checkpoint) return gates;
  const FlamingoNames names = flamingo_names(*model.checkpoint);
  std::map<std::string, const formats::RawTensor*> tensors;
  for (const std::string& name : model.checkpoint->names()) {
    if (names.ignores(name)) continue;
    if (const auto mapped = names.map.to_module(name))
      tensors[mapped->name] = &model.checkpoint->at(name);
  }
  for (int64_t layer = 0; layer < model.language.num_hidden_layers; ++layer) {
    if (!model.config.has_block(layer)) continue;
    const std::string block = fmt::format("{}{}.", kCrossAttention, layer);
    const auto attention = tensors.find(block + "attn_gate");
    const auto feed_forward = tensors.find(block + "ff_gate");
    if (attention == tensors.end() || feed_forward == tensors.end() ||
        attention->second->element_count() != 1 || feed_forward->second->element_count() != 1)
      continue;
    gates.push_back({layer, std::tanh(first_value(*attention->second)),
                     std::tanh(first_value(*feed_forward->second))});
  }
  return gates;
}

// Keys and values of one picture in all blocks.
Shape media_shape(const FlamingoConfig& config) {
  return {config.num_blocks, 2, config.resampler.num_latents, config.cross_attention.inner_dim()};
}

void describe_vocabulary(const FlamingoModel& model, FlamingoDescription& d) {
  const FlamingoTokens& tokens = model.tokens;
  d.vocab_size_before = model.language.vocab_size;
  d.tokenizer_size = tokens.base_size;
  d.vocab_size = model.vocab_size();
  d.special_tokens = {{std::string(kEndOfChunk), tokens.endofchunk},
                      {std::string(kImage), tokens.image},
                      {tokens.tokenizer->piece(tokens.pad), tokens.pad}};
}

// As it is spelt, special tokens included.
std::string example_prompt() {
  Part picture;
  picture.type = Part::Type::kMedia;
  text::FewShotItem example, question;
  example.media = question.media = {picture};
  example.answer = "An image of two cats.";
  std::string prompt;
  for (const Part& part :
       text::render_few_shot(text::find_few_shot_form("caption"), std::span(&example, 1), question))
    prompt += part.type == Part::Type::kMedia ? std::string(kImage) : part.text;
  return prompt;
}

std::string contents_of(const FlamingoModel& model) {
  const int64_t every = model.config.cross_attn_every_n_layers;
  return fmt::format("{} with gated cross-attention before {}{}", model.language.family,
                     every == 1 ? "every layer" : fmt::format("one layer in {}", every),
                     model.checkpoint ? "" : ", not trained yet");
}

}  // namespace

PicturePath picture_path(const FlamingoModel& model, PixelSize picture) {
  const OpenClipVisionConfig& vision = model.vision;
  const ResamplerConfig& resampler = model.config.resampler;
  const int64_t side = vision.image_size;
  // The shorter side becomes `side`; the longer one is cut to whole pixels, as torchvision does.
  const int64_t shorter = std::min(picture.width, picture.height);
  const PixelSize resized = {side * picture.width / shorter, side * picture.height / shorter};

  PicturePath path{};
  path.picture = picture;
  path.best_resolution = {side, side};
  path.num_tiles = 1;
  path.num_rows = 0;
  path.steps.push_back({fmt::format("image {}x{}", picture.width, picture.height), {}});
  path.steps.push_back({fmt::format("resize to {}x{}", resized.width, resized.height), {}});
  path.steps.push_back({fmt::format("centre crop {}x{}", side, side), {}});
  path.steps.push_back({"normalise", {1, 3, side, side}});
  path.steps.push_back(
      {fmt::format("{}, patch tokens{}", tower_name(vision.width, vision.patch_size),
                   model.config.vision_ln_post ? " after ln_post" : ""),
       {1, vision.num_patches(), vision.width}});
  path.steps.push_back({"resampler", {1, resampler.num_latents, resampler.dim}});
  const Shape media = media_shape(model.config);
  path.steps.push_back({fmt::format("keys and values of {} blocks {}, {} in float32",
                                    model.config.num_blocks, isthmus::to_string(media),
                                    bytes_text(num_elements(media).value_or(0) * kFloatBytes)),
                        media});
  return path;
}

FlamingoDescription describe_flamingo(const FlamingoModel& model) {
  const FlamingoConfig& config = model.config;
  FlamingoDescription d{};
  d.name = model.sources.name;
  d.layout = "OpenFlamingo";
  d.contents = contents_of(model);

  const Parameters expected = expected_parameters(config, model.vision, model.language_type,
                                                  model.language_config, model.vocab_size());
  const StoredTensors stored = stored_tensors(model);
  const bool is_open_clip = model.sources.vision_files == VisionFiles::kOpenClip;
  d.parts = {describe_part("encoder", encoder_architecture(model.vision),
                           is_open_clip ? below("encoder.", expected) : hugging_face_tower(model),
                           stored, d),
             describe_part("resampler", resampler_architecture(config.resampler),
                           below("aligner.resampler.", expected), stored, d),
             describe_part("gated cross-attention", cross_attention_architecture(config),
                           below(kCrossAttention, expected), stored, d),
             describe_part("decoder", model.language.architecture(), below("decoder.", expected),
                           stored, d)};
  // Its embedding may come from the checkpoint; the rest is what was meant.
  d.parts.back().source = formats::path_for_users(model.sources.language_model).string();
  sum_parts(d);
  d.num_trained = d.parts[1].num_parameters + d.parts[2].num_parameters;
  for (const ModuleNode::Parameter& parameter : expected)
    if (parameter.name == model.language_names.vocabulary.front())
      d.num_trained += num_elements(parameter.shape).value_or(0);
  d.stages = {{"pre-training",
               {"resampler", "gated cross-attention", "two rows of the embedding"},
               {"encoder", "all else of the decoder"}}};

  d.cross_attn_every_n_layers = config.cross_attn_every_n_layers;
  d.num_blocks = config.num_blocks;
  d.only_attend_immediate_media = config.cross_attention.only_attend_immediate_media;
  d.vision_ln_post = config.vision_ln_post;
  d.gates = describe_gates(model);
  for (const PixelSize size : {PixelSize{640, 480}, {480, 640}, {224, 224}, {1280, 720}})
    d.pictures.push_back(picture_path(model, size));
  d.latents_per_picture = config.resampler.num_latents;
  d.media_bytes = num_elements(media_shape(config)).value_or(0) * kFloatBytes;
  describe_vocabulary(model, d);
  d.context_length = model.language.context_length;
  d.cache_bytes_per_token = model.language.cache_bytes(kFloatBytes);
  d.prompt = example_prompt();
  for (const std::string_view form : text::few_shot_form_names()) d.prompt_forms.emplace_back(form);
  return d;
}

}  // namespace isthmus::layout
