#include "layout/decoder_names.h"

#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/gpt_neox_config.h"
#include "layout/llama_config.h"
#include "layout/mpt_config.h"
#include "layout/opt_config.h"

namespace isthmus::layout {

namespace {

// Computed, not learned; which of them a file carries depends on the version that wrote it.
bool is_buffer(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".attention.bias") ||
         name.ends_with(".attention.masked_bias");
}

// transformers writes a tied head beside the embedding it is.
bool is_buffer_or_tied_head(std::string_view name) {
  return is_buffer(name) || name.ends_with("lm_head.weight") || name.ends_with("embed_out.weight");
}

struct Head {
  std::string module_name, file_name;
  bool tied;
};

DecoderNames with_head(DecoderNames names, const std::string& prefix, const Head& head) {
  names.ignores = head.tied ? is_buffer_or_tied_head : is_buffer;
  if (head.tied) names.tied_head = prefix + head.file_name;
  if (!head.tied) {
    names.rules.insert(names.rules.begin(), {prefix + head.file_name, head.module_name});
    names.vocabulary.push_back(head.module_name);
  }
  return names;
}

DecoderNames llama_names(const JsonView& config, const std::string& prefix) {
  const std::string model = prefix + "model.";
  DecoderNames names{{{model + "embed_tokens.weight", "decoder.embed_tokens.weight"},
                      {model + "norm.weight", "decoder.norm.weight"},
                      {model + "layers.{i}.{rest}", "decoder.layers.{i}.{rest}"}},
                     nullptr,
                     model + "layers",
                     {"decoder.embed_tokens.weight"}};
  return with_head(
      std::move(names), prefix,
      {"decoder.lm_head.weight", "lm_head.weight", LlamaConfig::parse(config).tie_word_embeddings});
}

DecoderNames mpt_names(const JsonView& config, const std::string& prefix) {
  const MptConfig parsed = MptConfig::parse(config);
  const std::string model = prefix + "transformer.", block = model + "blocks.{i}.";
  DecoderNames names{{}, nullptr, model + "blocks", {"decoder.wte.weight"}};
  if (parsed.is_mosaic_gpt) {
    names.rules = {
        {block + "ln_1.{rest}", "decoder.blocks.{i}.norm_1.{rest}"},
        {block + "ln_2.{rest}", "decoder.blocks.{i}.norm_2.{rest}"},
        {block + "attn.{rest}", "decoder.blocks.{i}.attn.{rest}"},
        {block + "mlp.mlp_up.{rest}", "decoder.blocks.{i}.ffn.up_proj.{rest}"},
        {block + "mlp.mlp_down.{rest}", "decoder.blocks.{i}.ffn.down_proj.{rest}"},
        {model + "ln_f.{rest}", "decoder.norm_f.{rest}"},
    };
  } else {
    names.rules = {
        {block + "{rest}", "decoder.blocks.{i}.{rest}"},
        {model + "norm_f.{rest}", "decoder.norm_f.{rest}"},
    };
  }
  names.rules.push_back({model + "wte.weight", "decoder.wte.weight"});
  names.rules.push_back({model + "wpe.weight", "decoder.wpe.weight"});
  names = with_head(std::move(names), prefix,
                    {"decoder.lm_head.weight", "lm_head.weight", parsed.tie_word_embeddings});
  if (parsed.is_mosaic_gpt) names.tied_head.clear();  // its code multiplies by the embedding
  return names;
}

DecoderNames gpt_neox_names(const JsonView& config, const std::string& prefix) {
  const std::string model = prefix + "gpt_neox.";
  DecoderNames names{{{model + "embed_in.weight", "decoder.embed_in.weight"},
                      {model + "final_layer_norm.{rest}", "decoder.final_layer_norm.{rest}"},
                      {model + "layers.{i}.{rest}", "decoder.layers.{i}.{rest}"}},
                     nullptr,
                     model + "layers",
                     {"decoder.embed_in.weight"}};
  return with_head(std::move(names), prefix,
                   {"decoder.embed_out.weight", "embed_out.weight",
                    GptNeoxConfig::parse(config).tie_word_embeddings});
}

DecoderNames opt_names(const JsonView& config, const std::string& prefix) {
  DecoderNames names{{}, nullptr, prefix + "model.decoder.layers", {"decoder.embed_tokens.weight"}};
  // The oldest files were written by the model without its head and lack the outer name.
  for (const std::string& model : {prefix + "model.decoder.", prefix + "decoder."}) {
    for (const char* matrix : {"embed_tokens", "embed_positions", "project_in", "project_out"}) {
      const std::string weight = std::string(matrix) + ".weight";
      names.rules.push_back({model + weight, "decoder." + weight});
    }
    names.rules.push_back({model + "final_layer_norm.{rest}", "decoder.final_layer_norm.{rest}"});
    names.rules.push_back({model + "layers.{i}.{rest}", "decoder.layers.{i}.{rest}"});
  }
  return with_head(
      std::move(names), prefix,
      {"decoder.lm_head.weight", "lm_head.weight", OptConfig::parse(config).tie_word_embeddings});
}

struct Entry {
  std::string_view model_type;
  DecoderNames (*names)(const JsonView& config, const std::string& prefix);
};

constexpr Entry kDecoders[] = {
    {"llama", llama_names},    {"mistral", llama_names},     {"mpt", mpt_names},
    {"mosaic_gpt", mpt_names}, {"gpt_neox", gpt_neox_names}, {"opt", opt_names},
};

}  // namespace

DecoderNames decoder_names(std::string_view model_type, const JsonView& config,
                           const std::string& prefix) {
  std::string known;
  for (const Entry& entry : kDecoders) {
    if (entry.model_type == model_type) return entry.names(config, prefix);
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.model_type);
  }
  throw UnsupportedError(fmt::format("{}: no tensor names are known for model_type \"{}\" ({} are)",
                                     config.where(), model_type, known));
}

}  // namespace isthmus::layout
