#include "layout/flamingo_module_tree.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "layout/decoder_names.h"
#include "layout/flamingo_names.h"
#include "layout/language_model_tree.h"
#include "layout/module_nodes.h"

namespace isthmus::layout {

namespace {

ModuleNode activation(Activation kind) {
  return kind == Activation::kQuickGelu ? leaf("QuickGELU") : leaf("GELU", "approximate='none'");
}

ModuleNode residual_attention_block(const OpenClipVisionConfig& vision) {
  const int64_t width = vision.width;
  ModuleNode attention = leaf("MultiheadAttention");
  attention.parameters = {{"in_proj_weight", {3 * width, width}}, {"in_proj_bias", {3 * width}}};
  attention.children = {{"out_proj", linear(width, width, true)}};
  attention.children.front().module.class_name = "NonDynamicallyQuantizableLinear";
  ModuleNode mlp = leaf("Sequential");
  mlp.children = {{"c_fc", linear(width, vision.intermediate_size, true)},
                  {"gelu", activation(vision.activation)},
                  {"c_proj", linear(vision.intermediate_size, width, true)}};
  ModuleNode block = leaf("ResidualAttentionBlock");
  block.children = {{"ln_1", layer_norm(width, vision.layer_norm_eps)},
                    {"attn", std::move(attention)},
                    {"ls_1", leaf("Identity")},
                    {"ln_2", layer_norm(width, vision.layer_norm_eps)},
                    {"mlp", std::move(mlp)},
                    {"ls_2", leaf("Identity")}};
  return block;
}

// LayerNorm, W1, GELU, W3 of the resampler and of the gated blocks.
ModuleNode feed_forward(int64_t width, int64_t inner) {
  ModuleNode sequence = leaf("Sequential");
  sequence.children = {{"0", layer_norm(width, 1e-5)},
                       {"1", linear(width, inner, false)},
                       {"2", leaf("GELU", "approximate='none'")},
                       {"3", linear(inner, width, false)}};
  return sequence;
}

ModuleNode perceiver_resampler(const ResamplerConfig& config) {
  const int64_t width = config.dim, inner = config.inner_dim();
  ModuleNode attention = leaf("PerceiverAttention");
  attention.children = {{"norm_media", layer_norm(width, 1e-5)},
                        {"norm_latents", layer_norm(width, 1e-5)},
                        {"to_q", linear(width, inner, false)},
                        {"to_kv", linear(width, 2 * inner, false)},
                        {"to_out", linear(inner, width, false)}};
  ModuleNode layer = leaf("ModuleList");
  layer.children = {{"0", std::move(attention)},
                    {"1", feed_forward(width, config.intermediate_size)}};
  ModuleNode resampler = leaf("PerceiverResampler");
  resampler.parameters = {{"latents", {config.num_latents, width}}};
  if (config.max_num_frames > 0)
    resampler.parameters.push_back({"frame_embs", {config.max_num_frames, width}});
  if (config.max_num_media > 0)
    resampler.parameters.push_back({"media_time_embs", {config.max_num_media, 1, width}});
  resampler.children = {{"layers", module_list(config.depth, layer)},
                        {"norm", layer_norm(width, 1e-5)}};
  return resampler;
}

ModuleNode gated_cross_attention_block(const CrossAttentionConfig& config) {
  const int64_t width = config.lang_dim, inner = config.inner_dim();
  ModuleNode attention = leaf("MaskedCrossAttention");
  attention.children = {{"norm", layer_norm(width, 1e-5)},
                        {"to_q", linear(width, inner, false)},
                        {"to_kv", linear(config.vis_dim, 2 * inner, false)},
                        {"to_out", linear(inner, width, false)}};
  ModuleNode block = leaf("GatedCrossAttentionBlock");
  block.parameters = {{"attn_gate", {1}}, {"ff_gate", {1}}};
  block.children = {{"attn", std::move(attention)},
                    {"ff", feed_forward(width, config.intermediate_size)}};
  return block;
}

// The same modules under another name: parameters are counted where they were first.
ModuleNode alias_of(ModuleNode module) {
  module.parameters.clear();
  for (ModuleNode::Child& child : module.children) child.module = alias_of(std::move(child.module));
  return module;
}

ModuleNode language_encoder(const FlamingoConfig& config, LanguageModelTree language) {
  ModuleNode& blocks = module_at(language.model, language.blocks);
  const ModuleNode gated = gated_cross_attention_block(config.cross_attention);
  ModuleNode old_blocks = alias_of(blocks), gated_blocks = leaf("ModuleList");
  for (size_t layer = 0; layer < blocks.children.size(); ++layer) {
    ModuleNode::Child& child = blocks.children[layer];
    const bool has_gated = config.has_block(static_cast<int64_t>(layer));
    ModuleNode wrapped = leaf("FlamingoLayer");
    if (has_gated) wrapped.children.push_back({"gated_cross_attn_layer", gated});
    wrapped.children.push_back({"decoder_layer", std::move(child.module)});
    child.module = std::move(wrapped);
    gated_blocks.children.push_back({child.name, has_gated ? alias_of(gated) : no_module()});
  }
  language.model.children.push_back({"old_decoder_blocks", std::move(old_blocks)});
  language.model.children.push_back({"gated_cross_attn_layers", std::move(gated_blocks)});
  return std::move(language.model);
}

// "vision_encoder.…", "perceiver.…" and the gated blocks; what is left is the language model's.
std::string module_name(const std::string& name, const formats::NameMap& language_model) {
  constexpr std::string_view kVision = "vision_encoder.", kResampler = "perceiver.",
                             kGated = ".gated_cross_attn_layer.", kFused = ".attn.in_proj_";
  if (name.starts_with(kVision)) {
    std::string rest = name.substr(kVision.size());
    // Weight and bias of one linear layer, which torch keeps on the attention itself.
    if (const size_t at = rest.find(kFused); at != std::string::npos)
      rest[at + kFused.size() - 1] = '.';
    return "encoder." + rest;
  }
  if (name.starts_with(kResampler)) return "aligner.resampler." + name.substr(kResampler.size());
  if (const size_t at = name.find(kGated); at != std::string::npos) {
    const size_t layer = name.rfind('.', at - 1) + 1;
    return fmt::format("aligner.cross_attention.{}.{}", name.substr(layer, at - layer),
                       name.substr(at + kGated.size()));
  }
  const auto own = language_model_name(name);
  const auto mapped = own ? language_model.to_module(*own) : std::nullopt;
  ISTHMUS_CHECK(mapped, "a parameter of the tree has no module name: " + name);
  return mapped->name;
}

}  // namespace

ModuleNode open_clip_module_tree(const OpenClipVisionConfig& vision) {
  const int64_t width = vision.width, patch = vision.patch_size;
  ModuleNode conv =
      leaf("Conv2d", fmt::format("3, {}, kernel_size=({}, {}), stride=({}, {}), bias=False", width,
                                 patch, patch, patch, patch));
  conv.parameters = {{"weight", {width, 3, patch, patch}}};
  ModuleNode transformer = leaf("Transformer");
  transformer.children = {
      {"resblocks", module_list(vision.layers, residual_attention_block(vision))}};
  ModuleNode tower = leaf("VisionTransformer");
  tower.parameters = {{"class_embedding", {width}},
                      {"positional_embedding", {vision.num_patches() + 1, width}},
                      {"proj", {width, vision.embed_dim}}};
  tower.children = {{"patchnorm_pre_ln", leaf("Identity")},
                    {"conv1", std::move(conv)},
                    {"patch_dropout", leaf("Identity")},
                    {"ln_pre", layer_norm(width, vision.layer_norm_eps)},
                    {"transformer", std::move(transformer)},
                    {"ln_post", layer_norm(width, vision.layer_norm_eps)}};
  return tower;
}

ModuleNode flamingo_module_tree(const FlamingoConfig& config, const OpenClipVisionConfig& vision,
                                std::string_view model_type, const JsonView& language_model,
                                int64_t vocab_size) {
  ModuleNode model = leaf("Flamingo");
  model.children = {
      {"vision_encoder", open_clip_module_tree(vision)},
      {"perceiver", perceiver_resampler(config.resampler)},
      {"lang_encoder",
       language_encoder(config, language_model_tree(model_type, language_model, vocab_size))}};
  return model;
}

std::vector<ModuleNode::Parameter> expected_parameters(const FlamingoConfig& config,
                                                       const OpenClipVisionConfig& vision,
                                                       std::string_view model_type,
                                                       const JsonView& language_model,
                                                       int64_t vocab_size) {
  const formats::NameMap names = decoder_names(model_type, language_model).map();
  std::vector<ModuleNode::Parameter> parameters = named_parameters(
      flamingo_module_tree(config, vision, model_type, language_model, vocab_size));
  for (ModuleNode::Parameter& parameter : parameters)
    parameter.name = module_name(parameter.name, names);
  return parameters;
}

}  // namespace isthmus::layout
