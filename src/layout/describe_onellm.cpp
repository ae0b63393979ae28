#include "layout/describe_onellm.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "layout/onellm_module_tree.h"
#include "layout/onellm_routing.h"
#include "text/conversation.h"

namespace isthmus::layout {
namespace {

using Parameters = std::vector<ModuleNode::Parameter>;

constexpr int64_t kCacheFloatBytes = 4;
constexpr std::array<std::string_view, 6> kHeads = {
    "resample_tokens.", "clip_proj1.", "clip_proj2.", "routers.", "start_tag.", "end_tag."};

enum class Place { kEncoder, kTokenizers, kExperts, kHeads, kDecoder, kUnused };

// Of a parameter by its name without "llma.".
Place place_of(std::string_view name) {
  if (name.starts_with("clip.visual.") && name != "clip.visual.proj") return Place::kEncoder;
  if (name.starts_with("clip.")) return Place::kUnused;
  if (name.starts_with("conv1.") || name.starts_with("positional_embedding."))
    return Place::kTokenizers;
  if (name.starts_with("resample_layers.")) return Place::kExperts;
  for (const std::string_view head : kHeads)
    if (name.starts_with(head)) return Place::kHeads;
  return Place::kDecoder;
}

Parameters at(Place place, const Parameters& parameters) {
  Parameters found;
  for (const ModuleNode::Parameter& parameter : parameters)
    if (place_of(std::string_view(parameter.name).substr(kOneLlmPrefix.size())) == place)
      found.push_back(parameter);
  return found;
}

StoredTensors stored_tensors(const OneLlmModel& model) {
  StoredTensors stored;
  for (const auto& [name, tensor] : model.tensors.all())
    stored[std::string(kOneLlmPrefix) + name] = {tensor->shape, tensor->dtype, tensor->file};
  return stored;
}

std::string decoder_architecture(const LlamaConfig& c) {
  std::string heads = fmt::format("{} heads", c.num_attention_heads);
  if (c.num_key_value_heads != c.num_attention_heads)
    heads += fmt::format(" over {} key-value heads", c.num_key_value_heads);
  return fmt::format("LLaMA, {} layers of {}, {}, feed-forward {}, rotary in pairs, vocabulary {}",
                     c.num_hidden_layers, c.hidden_size, heads, c.intermediate_size, c.vocab_size);
}

std::string encoder_architecture(const UniversalEncoderConfig& c) {
  return fmt::format(
      "CLIP, {} layers of {}, {} heads, feed-forward {}, QuickGELU; pictures {}x{} "
      "in patches of {}",
      c.layers, c.width, c.heads, c.intermediate_size, c.image_size, c.image_size, c.patch_size);
}

std::string experts_architecture(const ProjectionConfig& c) {
  return fmt::format("{} x {} blocks of {}, {} heads, feed-forward {}", c.experts.size(), c.layers,
                     c.width, c.heads, c.intermediate_size);
}

std::string heads_architecture(const OneLlmConfig& config) {
  return fmt::format(
      "for each of {} modalities a router, learned rows, two projections to {} and "
      "{}, two tags",
      config.modalities.size(), config.projection.width, config.projection.hidden_size);
}

std::string tokenizer_text(const ModalityConfig& m) {
  switch (m.tokenizer) {
    case TokenizerKind::kVisionPatches: return "patches of CLIP";
    case TokenizerKind::kPatchConv:
      return fmt::format("{} {}, stride {}", name_of(m.tokenizer, m.kernel.size()),
                         fmt::join(m.kernel, "x"), fmt::join(m.stride, "x"));
    case TokenizerKind::kLinear: return fmt::format("linear, {} tokens", m.num_tokens);
    case TokenizerKind::kPointGroups:
      return fmt::format("{} groups of {} neighbours by {}", m.num_tokens, m.group_size,
                         m.metric == modalities::PointMetric::kColour ? "colour" : "position");
  }
  return {};
}

std::string input_text(const ModalityConfig& m, const UniversalEncoderConfig& encoder) {
  switch (m.tokenizer) {
    case TokenizerKind::kVisionPatches:
      return fmt::format("[frames, 3, {}, {}]", encoder.image_size, encoder.image_size);
    case TokenizerKind::kPatchConv:
      return fmt::format("[{}, {}]", m.channels, fmt::join(m.window, ", "));
    case TokenizerKind::kLinear: return fmt::format("[1, {}]", m.channels);
    case TokenizerKind::kPointGroups: return fmt::format("[points, {}]", m.channels);
  }
  return {};
}

std::vector<ExpertShare> expert_shares(const std::vector<std::vector<float>>& routing) {
  std::vector<ExpertShare> shares;
  if (routing.empty()) return shares;
  for (size_t expert = 0; expert < routing.front().size(); ++expert) {
    ExpertShare share{0, 1, 0};
    for (const std::vector<float>& row : routing) {
      const double weight = row[expert];
      share.mean += weight / static_cast<double>(routing.size());
      share.least = std::min(share.least, weight);
      share.most = std::max(share.most, weight);
    }
    shares.push_back(share);
  }
  return shares;
}

// "llma.clip_proj1.audio.0.weight" belongs to audio.
bool belongs_to(std::string_view name, const std::string& key) {
  name.remove_prefix(std::min(name.find('.', kOneLlmPrefix.size()), name.size() - 1) + 1);
  return name == key || name.starts_with(key + ".");
}

ModalityDescription describe_modality(const OneLlmModel& model, const ModalityConfig& m,
                                      const Parameters& own) {
  ModalityDescription d{};
  d.name = m.name;
  d.key = m.key;
  d.tokenizer = tokenizer_text(m);
  d.input = input_text(m, model.config.encoder);
  d.by_recipe = m.recipe.has_value();
  d.frame_tokens = m.num_tokens + 1;
  d.sequence_rows = m.rows();
  for (const ModuleNode::Parameter& parameter : own)
    if (belongs_to(parameter.name, m.key))
      d.num_parameters += num_elements(parameter.shape).value_or(0);
  d.experts = expert_shares(routing_weights(model.tensors, m.key));
  return d;
}

std::string contents_of(const OneLlmConfig& config) {
  if (config.is_language_model()) return "a LLaMA in Meta's files, without other modalities";
  std::vector<std::string> names;
  for (const ModalityConfig& m : config.modalities) names.push_back(m.name);
  return fmt::format("text and {}", fmt::join(names, ", "));
}

std::string onellm_prompt() {
  const text::Message question{text::Role::kUser, {text::Content::of_text("What do you hear?")}};
  return text::join(text::render(*text::find_template("onellm"), std::span(&question, 1), true));
}

}  // namespace

OneLlmDescription describe_onellm(const OneLlmModel& model) {
  const OneLlmConfig& config = model.config;
  OneLlmDescription d{};
  d.name = model.sources.name;
  d.layout = "OneLLM";
  d.contents = contents_of(config);
  const Parameters all = named_parameters(onellm_module_tree(config));
  const StoredTensors stored = stored_tensors(model);
  const auto add = [&](const char* name, std::string architecture, Place place) {
    const Parameters parameters = at(place, all);
    if (!parameters.empty())
      d.parts.push_back(describe_part(name, std::move(architecture), parameters, stored, d));
  };
  if (!config.is_language_model()) {
    add("encoder", encoder_architecture(config.encoder), Place::kEncoder);
    add("tokenizers", "convolutions and positions of modalities that are no pictures",
        Place::kTokenizers);
    add("experts", experts_architecture(config.projection), Place::kExperts);
    add("modality heads", heads_architecture(config), Place::kHeads);
  }
  add("decoder", decoder_architecture(config.language), Place::kDecoder);
  add("unused", "what is left of CLIP's text tower", Place::kUnused);
  sum_parts(d);
  if (!config.is_language_model())
    d.stages = {{"image alignment",
                 {"one projection stack", "the heads of images"},
                 {"encoder", "decoder"}},
                {"alignment of the others",
                 {"tokenizers", "experts", "modality heads"},
                 {"encoder", "decoder"}},
                {"instruction tuning",
                 {"decoder"},
                 {"encoder", "tokenizers", "experts", "modality heads"}}};

  Parameters own = at(Place::kTokenizers, all);
  const Parameters heads = at(Place::kHeads, all);
  own.insert(own.end(), heads.begin(), heads.end());
  for (const ModalityConfig& m : config.modalities)
    d.modalities.push_back(describe_modality(model, m, own));
  d.ranks = static_cast<int64_t>(model.sources.weights.size());
  for (const auto& files : model.sources.weights) d.num_files += static_cast<int64_t>(files.size());
  const LlamaConfig& language = config.language;
  d.context_length = language.max_position_embeddings;
  d.cache_bytes_per_token = 2 * language.num_hidden_layers * language.num_key_value_heads *
                            language.head_dim * kCacheFloatBytes;
  d.prompt = onellm_prompt();
  return d;
}

}  // namespace isthmus::layout
