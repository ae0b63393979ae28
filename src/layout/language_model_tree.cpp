#include "layout/language_model_tree.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/ordered_json.h"
#include "isthmus/error.h"
#include "layout/decoder_names.h"
#include "layout/gpt_neox_config.h"
#include "layout/llava_config.h"
#include "layout/llava_module_tree.h"
#include "layout/module_nodes.h"
#include "layout/mpt_config.h"
#include "layout/opt_config.h"

namespace isthmus::layout {

namespace {

using VocabSize = std::optional<int64_t>;

// Prints the number as the file has it, which is how Python keeps it: 0 and 0.0 differ.
ModuleNode dropout(const JsonView& json, std::string_view key, std::string fallback) {
  std::string p = std::move(fallback);
  if (json.contains(key)) {
    const JsonView value = json.at(key);
    if (!value.is_number()) value.fail("expected a number");
    p = value.raw().dump();
  }
  return leaf("Dropout", fmt::format("p={}, inplace=False", p));
}

// The head of a model whose embedding has `rows` rows.
ModuleNode head(int64_t width, int64_t rows, bool tied) {
  ModuleNode node = linear(width, rows, false);
  if (tied) node.parameters.clear();  // it is the embedding's
  return node;
}

// ---- MPT

ModuleNode mpt_attention(const MptConfig& c, std::string class_name) {
  const int64_t width = c.hidden_size;
  ModuleNode attention = leaf(std::move(class_name));
  attention.children.push_back({"Wqkv", linear(width, 3 * width, c.bias)});
  if (c.qk_ln) {
    const auto parameters = c.bias ? NormParameters::kWeightAndBias : NormParameters::kWeight;
    for (const char* name : {"q_ln", "k_ln"})
      attention.children.push_back({name, layer_norm(width, c.layer_norm_eps, parameters)});
  }
  attention.children.push_back({"out_proj", linear(width, width, c.bias)});
  return attention;
}

ModuleNode mosaic_gpt(const JsonView& json, const MptConfig& c, int64_t rows) {
  const auto norm = [&] {
    return layer_norm(c.hidden_size, c.layer_norm_eps,
                      c.bias ? NormParameters::kWeightAndBias : NormParameters::kWeight,
                      json.boolean("low_precision_layernorm", true) ? "LPLayerNorm" : "LayerNorm");
  };
  ModuleNode mlp = leaf("GPTMLP");
  mlp.children = {{"mlp_up", linear(c.hidden_size, c.intermediate_size, c.bias)},
                  {"mlp_act", leaf("GELU", "approximate='none'")},
                  {"mlp_down", linear(c.intermediate_size, c.hidden_size, c.bias)}};
  ModuleNode block = leaf("GPTBlock");
  block.children = {{"ln_1", norm()},
                    {"attn", mpt_attention(c, "MultiheadAttention")},
                    {"ln_2", norm()},
                    {"mlp", std::move(mlp)},
                    {"resid_attn_dropout", dropout(json, "resid_pdrop", "0.0")},
                    {"resid_mlp_dropout", dropout(json, "resid_pdrop", "0.0")}};
  ModuleNode transformer = leaf("ModuleDict");
  transformer.children.push_back({"wte", embedding(rows, c.hidden_size)});
  if (!c.alibi) transformer.children.push_back({"wpe", embedding(c.max_seq_len, c.hidden_size)});
  transformer.children.push_back({"emb_drop", dropout(json, "emb_pdrop", "0.0")});
  transformer.children.push_back({"blocks", module_list(c.num_hidden_layers, block)});
  transformer.children.push_back({"ln_f", norm()});
  ModuleNode model = leaf("MosaicGPT");
  model.children = {{"transformer", std::move(transformer)}};
  return model;
}

ModuleNode mpt(const JsonView& json, const MptConfig& c, int64_t rows) {
  const auto norm = [&] {
    return layer_norm(c.hidden_size, c.layer_norm_eps,
                      c.bias ? NormParameters::kWeightAndBias : NormParameters::kWeight);
  };
  ModuleNode ffn = leaf("MptMLP");
  ffn.children = {{"up_proj", linear(c.hidden_size, c.intermediate_size, c.bias)},
                  {"act", leaf("GELU", "approximate='none'")},
                  {"down_proj", linear(c.intermediate_size, c.hidden_size, c.bias)}};
  ModuleNode block = leaf("MptBlock");
  const auto attention = json.find("attn_config");
  block.children = {{"norm_1", norm()},
                    {"attn", mpt_attention(c, "MptAttention")},
                    {"norm_2", norm()},
                    {"ffn", std::move(ffn)},
                    {"resid_attn_dropout", attention ? dropout(*attention, "attn_pdrop", "0")
                                                     : leaf("Dropout", "p=0, inplace=False")}};
  ModuleNode transformer = leaf("MptModel");
  transformer.children.push_back({"wte", embedding(rows, c.hidden_size)});
  if (!c.alibi) transformer.children.push_back({"wpe", embedding(c.max_seq_len, c.hidden_size)});
  transformer.children.push_back({"blocks", module_list(c.num_hidden_layers, block)});
  transformer.children.push_back({"norm_f", norm()});
  ModuleNode model = leaf("MptForCausalLM");
  model.children = {{"transformer", std::move(transformer)},
                    {"lm_head", head(c.hidden_size, rows, c.tie_word_embeddings)}};
  return model;
}

LanguageModelTree mpt_tree(const JsonView& json, VocabSize vocab_size) {
  const MptConfig c = MptConfig::parse(json);
  const int64_t rows = vocab_size.value_or(c.vocab_size);
  return {c.is_mosaic_gpt ? mosaic_gpt(json, c, rows) : mpt(json, c, rows), "transformer.blocks"};
}

// ---- GPT-NeoX and OPT

// The class behind a name of transformers' table of activations.
std::string activation_class(const std::string& name) {
  if (name == "relu") return "ReLU";
  if (name == "silu" || name == "swish") return "SiLUActivation";
  if (name == "gelu_new") return "NewGELUActivation";
  if (name == "gelu_fast") return "FastGELUActivation";
  if (name == "gelu_pytorch_tanh") return "PytorchGELUTanh";
  if (name == "quick_gelu") return "QuickGELUActivation";
  return "GELUActivation";
}

LanguageModelTree gpt_neox_tree(const JsonView& json, VocabSize vocab_size) {
  const GptNeoxConfig c = GptNeoxConfig::parse(json);
  const int64_t width = c.hidden_size, rows = vocab_size.value_or(c.vocab_size);
  ModuleNode attention = leaf("GPTNeoXAttention");
  attention.children = {{"rotary_emb", leaf("GPTNeoXRotaryEmbedding")},
                        {"query_key_value", linear(width, 3 * width, c.attention_bias)},
                        {"dense", linear(width, width, c.attention_bias)},
                        {"attention_dropout", dropout(json, "attention_dropout", "0.0")}};
  ModuleNode mlp = leaf("GPTNeoXMLP");
  mlp.children = {{"dense_h_to_4h", linear(width, c.intermediate_size, true)},
                  {"dense_4h_to_h", linear(c.intermediate_size, width, true)},
                  {"act", leaf(activation_class(json.string("hidden_act", "gelu")))}};
  ModuleNode layer = leaf("GPTNeoXLayer");
  layer.children = {{"input_layernorm", layer_norm(width, c.layer_norm_eps)},
                    {"post_attention_layernorm", layer_norm(width, c.layer_norm_eps)},
                    {"post_attention_dropout", dropout(json, "hidden_dropout", "0.0")},
                    {"post_mlp_dropout", dropout(json, "hidden_dropout", "0.0")},
                    {"attention", std::move(attention)},
                    {"mlp", std::move(mlp)}};
  ModuleNode inner = leaf("GPTNeoXModel");
  inner.children = {{"embed_in", embedding(rows, width)},
                    {"emb_dropout", dropout(json, "hidden_dropout", "0.0")},
                    {"layers", module_list(c.num_hidden_layers, layer)},
                    {"final_layer_norm", layer_norm(width, c.layer_norm_eps)}};
  ModuleNode model = leaf("GPTNeoXForCausalLM");
  model.children = {{"gpt_neox", std::move(inner)},
                    {"embed_out", head(width, rows, c.tie_word_embeddings)}};
  return {std::move(model), "gpt_neox.layers"};
}

ModuleNode opt_layer(const JsonView& json, const OptConfig& c) {
  const auto norm = [&] {
    const bool affine = c.layer_norm_elementwise_affine;
    return layer_norm(c.hidden_size, 1e-5,
                      affine ? NormParameters::kWeightAndBias : NormParameters::kNone);
  };
  ModuleNode attention = leaf("OPTAttention");
  for (const char* name : {"k_proj", "v_proj", "q_proj", "out_proj"})
    attention.children.push_back({name, linear(c.hidden_size, c.hidden_size, c.enable_bias)});
  ModuleNode layer = leaf("OPTDecoderLayer");
  layer.children = {
      {"self_attn", std::move(attention)},
      {"activation_fn", leaf(activation_class(json.string("activation_function", "relu")))},
      {"self_attn_layer_norm", norm()},
      {"fc1", linear(c.hidden_size, c.ffn_dim, c.enable_bias)},
      {"fc2", linear(c.ffn_dim, c.hidden_size, c.enable_bias)},
      {"final_layer_norm", norm()}};
  return layer;
}

LanguageModelTree opt_tree(const JsonView& json, VocabSize vocab_size) {
  const OptConfig c = OptConfig::parse(json);
  const int64_t width = c.hidden_size, inner = c.word_embed_proj_dim;
  const int64_t rows = vocab_size.value_or(c.vocab_size);
  // A resized embedding is a new one, without the padding row.
  VocabSize padding_idx;
  if (rows == c.vocab_size) padding_idx = json.integer("pad_token_id", 1);
  ModuleNode positions = embedding(c.max_position_embeddings + 2, width);
  positions.class_name = "OPTLearnedPositionalEmbedding";
  ModuleNode decoder = leaf("OPTDecoder");
  decoder.children = {{"embed_tokens", embedding(rows, inner, padding_idx)},
                      {"embed_positions", std::move(positions)}};
  if (inner != width) {
    decoder.children.push_back({"project_out", linear(width, inner, false)});
    decoder.children.push_back({"project_in", linear(inner, width, false)});
  }
  if (c.has_final_layer_norm) {
    const bool affine = c.layer_norm_elementwise_affine;
    decoder.children.push_back(
        {"final_layer_norm",
         layer_norm(width, 1e-5, affine ? NormParameters::kWeightAndBias : NormParameters::kNone)});
  }
  decoder.children.push_back({"layers", module_list(c.num_hidden_layers, opt_layer(json, c))});
  ModuleNode outer = leaf("OPTModel");
  outer.children = {{"decoder", std::move(decoder)}};
  ModuleNode model = leaf("OPTForCausalLM");
  model.children = {{"model", std::move(outer)},
                    {"lm_head", head(inner, rows, c.tie_word_embeddings)}};
  return {std::move(model), "model.decoder.layers"};
}

// ---- LLaMA

LanguageModelTree llama_tree(const JsonView& json, VocabSize vocab_size) {
  LlavaConfig config = LlavaConfig::parse(json);
  if (vocab_size && *vocab_size != config.text.vocab_size) {
    config.text.vocab_size = *vocab_size;
    config.embedding_padding_idx.reset();
  }
  return {llava_module_tree(config), "model.layers"};
}

struct TreeOfKind {
  std::string_view model_type;
  LanguageModelTree (*tree)(const JsonView& json, VocabSize vocab_size);
};

constexpr TreeOfKind kTrees[] = {
    {"llama", llama_tree},    {"mistral", llama_tree},     {"mpt", mpt_tree},
    {"mosaic_gpt", mpt_tree}, {"gpt_neox", gpt_neox_tree}, {"opt", opt_tree},
};

}  // namespace

LanguageModelTree language_model_tree(std::string_view model_type, const JsonView& config,
                                      std::optional<int64_t> vocab_size) {
  for (const TreeOfKind& entry : kTrees)
    if (entry.model_type == model_type) return entry.tree(config, vocab_size);
  throw UnsupportedError(
      fmt::format("{}: the modules of a \"{}\" are not known", config.where(), model_type));
}

std::vector<ModuleNode::Parameter> expected_parameters(std::string_view model_type,
                                                       const JsonView& config,
                                                       std::optional<int64_t> vocab_size) {
  const formats::NameMap names = decoder_names(model_type, config).map();
  std::vector<ModuleNode::Parameter> parameters =
      named_parameters(language_model_tree(model_type, config, vocab_size).model);
  for (ModuleNode::Parameter& parameter : parameters) {
    const auto mapped = names.to_module(parameter.name);
    ISTHMUS_CHECK(mapped, "a parameter of the tree has no module name: " + parameter.name);
    parameter.name = mapped->name;
  }
  return parameters;
}

}  // namespace isthmus::layout
