#include "layout/llava_module_tree.h"

#include <fmt/format.h>

#include "base/check.h"
#include "layout/llava_names.h"
#include "layout/module_nodes.h"

namespace isthmus::layout {

namespace {

// What the two generations of transformers print differently.
struct Dialect {
  std::string family;        // Llama or Mistral: prefix of the class names
  bool prints_norm_shape;    // LlamaRMSNorm((64,), eps=1e-05) or LlamaRMSNorm()
  bool rotary_in_attention;  // each layer owns its rotary embedding, or the model owns one
  std::string attention, rotary, silu;
};

Dialect dialect_of(const LlavaConfig& config) {
  const std::string family = config.decoder == DecoderKind::kMistral ? "Mistral" : "Llama";
  if (config.layout != LlavaLayout::kOriginal)
    return {family,          true, false, family + "Attention", family + "RotaryEmbedding",
            "SiLUActivation"};
  std::string rotary = family + "RotaryEmbedding";
  if (config.decoder == DecoderKind::kLlama) {
    if (config.text.rope_scaling == RopeScaling::kLinear)
      rotary = "LlamaLinearScalingRotaryEmbedding";
    if (config.text.rope_scaling == RopeScaling::kDynamic)
      rotary = "LlamaDynamicNTKScalingRotaryEmbedding";
  }
  return {family, false, true, family + "SdpaAttention", rotary, "SiLU"};
}

ModuleNode rms_norm(const LlamaConfig& text, const Dialect& dialect) {
  ModuleNode node = leaf(dialect.family + "RMSNorm");
  if (dialect.prints_norm_shape)
    node.extra = fmt::format("({},), eps={}", text.hidden_size, text.rms_norm_eps);
  node.parameters = {{"weight", {text.hidden_size}}};
  return node;
}

ModuleNode decoder_layer(const LlamaConfig& text, const Dialect& dialect) {
  const int64_t width = text.hidden_size;
  const int64_t queries = text.num_attention_heads * text.head_dim;
  const int64_t keys = text.num_key_value_heads * text.head_dim;
  const bool bias = text.attention_bias;
  ModuleNode attention = leaf(dialect.attention);
  attention.children = {{"q_proj", linear(width, queries, bias)},
                        {"k_proj", linear(width, keys, bias)},
                        {"v_proj", linear(width, keys, bias)},
                        {"o_proj", linear(queries, width, bias)}};
  if (dialect.rotary_in_attention)
    attention.children.push_back({"rotary_emb", leaf(dialect.rotary)});
  ModuleNode mlp = leaf(dialect.family + "MLP");
  mlp.children = {{"gate_proj", linear(width, text.intermediate_size, false)},
                  {"up_proj", linear(width, text.intermediate_size, false)},
                  {"down_proj", linear(text.intermediate_size, width, false)},
                  {"act_fn", leaf(dialect.silu)}};
  ModuleNode layer = leaf(dialect.family + "DecoderLayer");
  layer.children = {{"self_attn", std::move(attention)},
                    {"mlp", std::move(mlp)},
                    {"input_layernorm", rms_norm(text, dialect)},
                    {"post_attention_layernorm", rms_norm(text, dialect)}};
  return layer;
}

ModuleNode language_model(const LlavaConfig& config, const Dialect& dialect,
                          std::string class_name) {
  const LlamaConfig& text = config.text;
  ModuleNode model = leaf(std::move(class_name));
  model.children = {
      {"embed_tokens", embedding(text.vocab_size, text.hidden_size, config.embedding_padding_idx)},
      {"layers", module_list(text.num_hidden_layers, decoder_layer(text, dialect))},
      {"norm", rms_norm(text, dialect)}};
  if (!dialect.rotary_in_attention) model.children.push_back({"rotary_emb", leaf(dialect.rotary)});
  return model;
}

ModuleNode lm_head(const LlamaConfig& text) {
  ModuleNode head = linear(text.hidden_size, text.vocab_size, false);
  if (text.tie_word_embeddings) head.parameters.clear();  // it is the embedding's
  return head;
}

std::string clip_activation_class(Activation activation, bool original) {
  switch (activation) {
    case Activation::kQuickGelu: return "QuickGELUActivation";
    case Activation::kGelu: return "GELUActivation";
    case Activation::kGeluTanh: return "PytorchGELUTanh";
    case Activation::kSilu: return original ? "SiLU" : "SiLUActivation";
    case Activation::kRelu: return "ReLU";
  }
  ISTHMUS_CHECK(false, "unknown activation");
  return "";
}

ModuleNode clip_layer(const ClipVisionConfig& tower, bool original) {
  const int64_t width = tower.hidden_size;
  ModuleNode attention = leaf("CLIPAttention");
  for (const char* name : {"k_proj", "v_proj", "q_proj", "out_proj"})
    attention.children.push_back({name, linear(width, width, true)});
  ModuleNode mlp = leaf("CLIPMLP");
  mlp.children = {{"activation_fn", leaf(clip_activation_class(tower.hidden_act, original))},
                  {"fc1", linear(width, tower.intermediate_size, true)},
                  {"fc2", linear(tower.intermediate_size, width, true)}};
  ModuleNode layer = leaf("CLIPEncoderLayer");
  layer.children = {{"self_attn", std::move(attention)},
                    {"layer_norm1", layer_norm(width, tower.layer_norm_eps)},
                    {"mlp", std::move(mlp)},
                    {"layer_norm2", layer_norm(width, tower.layer_norm_eps)}};
  return layer;
}

ModuleNode clip_vision_model(const ClipVisionConfig& tower, bool original) {
  const int64_t width = tower.hidden_size, patch = tower.patch_size;
  ModuleNode patches =
      leaf("Conv2d", fmt::format("{}, {}, kernel_size=({}, {}), stride=({}, {}), bias=False",
                                 tower.num_channels, width, patch, patch, patch, patch));
  patches.parameters = {{"weight", {width, tower.num_channels, patch, patch}}};
  ModuleNode embeddings = leaf("CLIPVisionEmbeddings");
  embeddings.parameters = {{"class_embedding", {width}}};
  embeddings.children = {{"patch_embedding", std::move(patches)},
                         {"position_embedding", embedding(tower.num_patches() + 1, width)}};
  ModuleNode encoder = leaf("CLIPEncoder");
  encoder.children = {
      {"layers", module_list(tower.num_hidden_layers, clip_layer(tower, original))}};
  ModuleNode transformer = leaf("CLIPVisionTransformer");
  transformer.children = {{"embeddings", std::move(embeddings)},
                          {"pre_layrnorm", layer_norm(width, tower.layer_norm_eps)},
                          {"encoder", std::move(encoder)}};
  if (tower.post_layernorm)
    transformer.children.push_back({"post_layernorm", layer_norm(width, tower.layer_norm_eps)});
  ModuleNode model = leaf("CLIPVisionModel");
  model.children = {{"vision_model", std::move(transformer)}};
  return model;
}

ModuleNode original_projector(const LlavaConfig& config) {
  const int64_t in = config.mm_hidden_size, out = config.text.hidden_size;
  if (config.projector_type == ProjectorType::kIdentity) return leaf("IdentityMap");
  if (config.projector_type == ProjectorType::kLinear) return linear(in, out, true);
  ModuleNode sequence = leaf("Sequential");
  sequence.children.push_back({"0", linear(in, out, true)});
  for (int64_t layer = 1; layer < config.projector_depth; ++layer) {
    sequence.children.push_back(
        {std::to_string(2 * layer - 1), leaf("GELU", "approximate='none'")});
    sequence.children.push_back({std::to_string(2 * layer), linear(out, out, true)});
  }
  return sequence;
}

ModuleNode original_tree(const LlavaConfig& config, const std::optional<ClipVisionConfig>& tower) {
  const Dialect dialect = dialect_of(config);
  const bool is_llava = config.model_type.starts_with("llava");
  const std::string prefix = (is_llava ? "Llava" : "") + dialect.family;
  ModuleNode model = language_model(config, dialect, prefix + "Model");
  if (config.has_vision()) {
    ModuleNode vision = leaf("CLIPVisionTower");
    if (tower) vision.children.push_back({"vision_tower", clip_vision_model(*tower, true)});
    model.children.push_back({"vision_tower", std::move(vision)});
    model.children.push_back({"mm_projector", original_projector(config)});
    if (config.has_image_newline)
      model.parameters.push_back({"image_newline", {config.text.hidden_size}});
  }
  ModuleNode whole = leaf(prefix + "ForCausalLM");
  whole.children = {{"model", std::move(model)}, {"lm_head", lm_head(config.text)}};
  return whole;
}

ModuleNode hugging_face_tree(const LlavaConfig& config) {
  const Dialect dialect = dialect_of(config);
  const std::string prefix = config.layout == LlavaLayout::kHuggingFaceNext ? "LlavaNext" : "Llava";
  const int64_t out = config.text.hidden_size;
  ModuleNode projector = leaf(prefix + "MultiModalProjector");
  projector.children = {{"linear_1", linear(config.mm_hidden_size, out, config.projector_bias)},
                        {"act", leaf("GELUActivation")},
                        {"linear_2", linear(out, out, config.projector_bias)}};
  ModuleNode model = leaf(prefix + "Model");
  if (config.has_image_newline) model.parameters.push_back({"image_newline", {out}});
  model.children = {{"vision_tower", clip_vision_model(*config.vision, false)},
                    {"multi_modal_projector", std::move(projector)},
                    {"language_model", language_model(config, dialect, dialect.family + "Model")}};
  ModuleNode whole = leaf(prefix + "ForConditionalGeneration");
  whole.children = {{"model", std::move(model)}, {"lm_head", lm_head(config.text)}};
  return whole;
}

}  // namespace

ModuleNode llava_module_tree(const LlavaConfig& config,
                             const std::optional<ClipVisionConfig>& tower) {
  return config.layout == LlavaLayout::kOriginal ? original_tree(config, tower)
                                                 : hugging_face_tree(config);
}

ModuleNode clip_module_tree(const ClipVisionConfig& tower) {
  return clip_vision_model(tower, true);
}

std::vector<ModuleNode::Parameter> expected_parameters(
    const LlavaConfig& config, const std::optional<ClipVisionConfig>& tower) {
  const LlavaNames names =
      config.layout == LlavaLayout::kOriginal ? original_names() : hugging_face_names(true);
  std::vector<ModuleNode::Parameter> parameters =
      named_parameters(llava_module_tree(config, tower));
  for (ModuleNode::Parameter& parameter : parameters) {
    const auto mapped = names.map.to_module(parameter.name);
    ISTHMUS_CHECK(mapped, "a parameter of the tree has no module name: " + parameter.name);
    parameter.name = mapped->name;
  }
  return parameters;
}

}  // namespace isthmus::layout
