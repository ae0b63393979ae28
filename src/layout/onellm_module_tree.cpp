#include "layout/onellm_module_tree.h"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "layout/module_nodes.h"

namespace isthmus::layout {
namespace {

constexpr double kLayerNormEps = UniversalEncoderConfig::kLayerNormEps;

// fairscale's layers print without their sizes.
ModuleNode parallel(const char* class_name, int64_t out, int64_t in) {
  ModuleNode node = leaf(class_name);
  node.parameters = {{"weight", {out, in}}};
  return node;
}
ModuleNode column_parallel(int64_t in, int64_t out) {
  return parallel("ColumnParallelLinear", out, in);
}
ModuleNode row_parallel(int64_t in, int64_t out) { return parallel("RowParallelLinear", out, in); }

ModuleNode rms_norm(int64_t width) {
  ModuleNode node = leaf("RMSNorm");
  node.parameters = {{"weight", {width}}};
  return node;
}

ModuleNode transformer_block(int64_t width, int64_t key_value_width, int64_t intermediate_size) {
  ModuleNode attention = leaf("Attention");
  attention.children = {{"wq", column_parallel(width, width)},
                        {"wk", column_parallel(width, key_value_width)},
                        {"wv", column_parallel(width, key_value_width)},
                        {"wo", row_parallel(width, width)}};
  ModuleNode feed_forward = leaf("FeedForward");
  feed_forward.children = {{"w1", column_parallel(width, intermediate_size)},
                           {"w2", row_parallel(intermediate_size, width)},
                           {"w3", column_parallel(width, intermediate_size)}};
  ModuleNode block = leaf("TransformerBlock");
  block.children = {{"attention", std::move(attention)},
                    {"feed_forward", std::move(feed_forward)},
                    {"attention_norm", rms_norm(width)},
                    {"ffn_norm", rms_norm(width)}};
  return block;
}

ModuleNode residual_attention_block(const UniversalEncoderConfig& encoder) {
  const int64_t width = encoder.width;
  ModuleNode attention = leaf("MultiheadAttention");
  attention.parameters = {{"in_proj_weight", {3 * width, width}}, {"in_proj_bias", {3 * width}}};
  attention.children = {{"out_proj", linear(width, width, true)}};
  attention.children.front().module.class_name = "NonDynamicallyQuantizableLinear";
  ModuleNode mlp = leaf("Sequential");
  mlp.children = {{"c_fc", linear(width, encoder.intermediate_size, true)},
                  {"gelu", leaf("QuickGELU")},
                  {"c_proj", linear(encoder.intermediate_size, width, true)}};
  ModuleNode block = leaf("ResidualAttentionBlock");
  block.children = {{"ln_1", layer_norm(width, kLayerNormEps)},
                    {"attn", std::move(attention)},
                    {"ls_1", leaf("Identity")},
                    {"ln_2", layer_norm(width, kLayerNormEps)},
                    {"mlp", std::move(mlp)},
                    {"ls_2", leaf("Identity")}};
  return block;
}

// "16, 16", and "10," of a single one: as Python prints tuples.
std::string tuple(const Shape& values) {
  return fmt::format("({}{})", fmt::join(values, ", "), values.size() == 1 ? "," : "");
}

ModuleNode convolution(int64_t in, int64_t out, const Shape& kernel, const Shape& stride,
                       bool bias) {
  ModuleNode node = leaf(fmt::format("Conv{}d", kernel.size()),
                         fmt::format("{}, {}, kernel_size={}, stride={}{}", in, out, tuple(kernel),
                                     tuple(stride), bias ? "" : ", bias=False"));
  Shape weight = {out, in};
  weight.insert(weight.end(), kernel.begin(), kernel.end());
  node.parameters = {{"weight", std::move(weight)}};
  if (bias) node.parameters.push_back({"bias", {out}});
  return node;
}

ModuleNode clip(const OneLlmConfig& config) {
  const UniversalEncoderConfig& encoder = config.encoder;
  const ClipLeftovers& left = config.leftovers;
  const int64_t width = encoder.width;
  ModuleNode transformer = leaf("Transformer");
  transformer.children = {
      {"resblocks", module_list(encoder.layers, residual_attention_block(encoder))}};
  ModuleNode visual = leaf("VisionTransformer");
  visual.parameters = {{"class_embedding", {width}},
                       {"positional_embedding", {encoder.num_patches() + 1, width}}};
  if (left.embed_dim > 0) visual.parameters.push_back({"proj", {width, left.embed_dim}});
  const Shape patch = {encoder.patch_size, encoder.patch_size};
  visual.children = {{"conv1", convolution(3, width, patch, patch, false)},
                     {"patch_dropout", leaf("Identity")},
                     {"ln_pre", layer_norm(width, kLayerNormEps)},
                     {"transformer", std::move(transformer)},
                     {"ln_post", layer_norm(width, kLayerNormEps)}};
  ModuleNode clip = leaf("CLIP");
  clip.children = {{"visual", std::move(visual)}};
  if (left.width == 0) return clip;
  if (left.positions > 0) {
    clip.parameters = {{"positional_embedding", {left.positions, left.width}},
                       {"text_projection", {left.width, left.embed_dim}},
                       {"logit_scale", {}}};
  }
  clip.children.push_back({"transformer", no_module()});
  clip.children.push_back({"token_embedding", embedding(left.vocab_size, left.width)});
  clip.children.push_back({"ln_final", layer_norm(left.width, kLayerNormEps)});
  return clip;
}

ModuleNode tokenizer(const ModalityConfig& modality, int64_t width) {
  if (modality.tokenizer == TokenizerKind::kLinear)
    return linear(modality.channels, modality.num_tokens * width, modality.bias);
  if (modality.tokenizer == TokenizerKind::kPatchConv)
    return convolution(modality.channels, width, modality.kernel, modality.stride, modality.bias);
  ModuleNode grouper = leaf("KNNGroup");
  grouper.children = {{"knn", leaf("KNN")}};
  ModuleNode points = leaf("PointPatchEmbed");
  points.children = {
      {"grouper", std::move(grouper)},
      {"conv1", convolution(modality.channels, width, {1, 1}, {1, 1}, modality.bias)}};
  return points;
}

ModuleNode projection(int64_t in, int64_t out) {
  ModuleNode node = leaf("Sequential");
  node.children = {{"0", linear(in, out, true)}, {"1", layer_norm(out, kLayerNormEps)}};
  return node;
}

ModuleNode router(int64_t width, int64_t hidden, int64_t experts) {
  ModuleNode node = leaf("Mlp");
  node.children = {{"fc1", linear(width, hidden, true)},
                   {"act", leaf("GELU", "approximate='none'")},
                   {"fc2", linear(hidden, experts, true)}};
  return node;
}

void add_modalities(const OneLlmConfig& config, ModuleNode& model) {
  const int64_t width = config.encoder.width, hidden = config.projection.hidden_size;
  const auto num_experts = static_cast<int64_t>(config.projection.experts.size());
  ModuleNode conv1 = leaf("ModuleDict"), clip_proj1 = leaf("ModuleDict");
  ModuleNode clip_proj2 = leaf("ModuleDict"), routers = leaf("ModuleDict");
  ModuleNode positions = leaf("ParameterDict"), resample_tokens = leaf("ParameterDict");
  ModuleNode start_tag = leaf("ParameterDict"), end_tag = leaf("ParameterDict");
  for (const ModalityConfig& m : config.modalities) {
    if (m.has_tokenizer()) {
      conv1.children.push_back({m.key, tokenizer(m, width)});
      positions.parameters.push_back({m.key, {m.num_tokens + 1, width}});
    }
    resample_tokens.parameters.push_back({m.key, {1, m.resample_tokens, width}});
    clip_proj1.children.push_back({m.key, projection(width, width)});
    clip_proj2.children.push_back({m.key, projection(width, hidden)});
    if (m.router_hidden > 0)
      routers.children.push_back({m.key, router(width, m.router_hidden, num_experts)});
    start_tag.parameters.push_back({m.key, {1, 1, hidden}});
    end_tag.parameters.push_back({m.key, {1, 1, hidden}});
  }
  model.children.push_back({"conv1", std::move(conv1)});
  model.children.push_back({"positional_embedding", std::move(positions)});
  model.children.push_back({"resample_tokens", std::move(resample_tokens)});
  model.children.push_back({"clip_proj1", std::move(clip_proj1)});
  model.children.push_back({"clip_proj2", std::move(clip_proj2)});
  model.children.push_back({"routers", std::move(routers)});
  model.children.push_back({"start_tag", std::move(start_tag)});
  model.children.push_back({"end_tag", std::move(end_tag)});
}

}  // namespace

ModuleNode onellm_module_tree(const OneLlmConfig& config) {
  const LlamaConfig& language = config.language;
  const int64_t width = language.hidden_size;
  ModuleNode transformer = leaf("Transformer");
  transformer.children = {
      {"tok_embeddings", parallel("ParallelEmbedding", language.vocab_size, width)},
      {"layers",
       module_list(language.num_hidden_layers,
                   transformer_block(width, language.num_key_value_heads * language.head_dim,
                                     language.intermediate_size))},
      {"norm", rms_norm(width)},
      {"output", column_parallel(width, language.vocab_size)}};
  if (!config.is_language_model()) {
    transformer.children.push_back({"clip", clip(config)});
    const ProjectionConfig& projection = config.projection;
    ModuleNode stacks = leaf("ModuleDict");
    for (const std::string& expert : projection.experts)
      stacks.children.push_back(
          {expert,
           module_list(projection.layers, transformer_block(projection.width, projection.width,
                                                            projection.intermediate_size))});
    transformer.children.push_back({"resample_layers", std::move(stacks)});
    add_modalities(config, transformer);
  }
  ModuleNode model = leaf("MetaModel");
  model.children = {{"criterion", leaf("CrossEntropyLoss")}, {"llma", std::move(transformer)}};
  return model;
}

}  // namespace isthmus::layout
