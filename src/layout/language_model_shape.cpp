#include "layout/language_model_shape.h"

#include <fmt/format.h>

#include "isthmus/error.h"
#include "layout/gpt_neox_config.h"
#include "layout/llama_config.h"
#include "layout/mpt_config.h"
#include "layout/opt_config.h"

namespace isthmus::layout {

namespace {

LanguageModelShape mpt_shape(const JsonView& json) {
  const MptConfig c = MptConfig::parse(json);
  return {c.is_mosaic_gpt ? "MosaicGPT" : "MPT",
          c.hidden_size,
          c.intermediate_size,
          c.num_hidden_layers,
          c.num_attention_heads,
          c.num_attention_heads,
          c.vocab_size,
          c.max_seq_len,
          c.alibi ? "ALiBi" : "learned positions"};
}

LanguageModelShape gpt_neox_shape(const JsonView& json) {
  const GptNeoxConfig c = GptNeoxConfig::parse(json);
  return {"GPT-NeoX",
          c.hidden_size,
          c.intermediate_size,
          c.num_hidden_layers,
          c.num_attention_heads,
          c.num_attention_heads,
          c.vocab_size,
          c.max_position_embeddings,
          c.rotary_dims == c.head_dim()
              ? "rotary"
              : fmt::format("rotary in {} of {} dimensions", c.rotary_dims, c.head_dim())};
}

LanguageModelShape opt_shape(const JsonView& json) {
  const OptConfig c = OptConfig::parse(json);
  return {"OPT",
          c.hidden_size,
          c.ffn_dim,
          c.num_hidden_layers,
          c.num_attention_heads,
          c.num_attention_heads,
          c.vocab_size,
          c.max_position_embeddings,
          "learned positions"};
}

LanguageModelShape llama_shape(const JsonView& json) {
  const LlamaConfig c = LlamaConfig::parse(json);
  return {json.string("model_type", "llama") == "mistral" ? "Mistral" : "LLaMA",
          c.hidden_size,
          c.intermediate_size,
          c.num_hidden_layers,
          c.num_attention_heads,
          c.num_key_value_heads,
          c.vocab_size,
          c.max_position_embeddings,
          "rotary"};
}

}  // namespace

std::string LanguageModelShape::architecture() const {
  std::string heads = fmt::format("{} heads", num_attention_heads);
  if (num_key_value_heads != num_attention_heads)
    heads += fmt::format(" over {} key-value heads", num_key_value_heads);
  return fmt::format("{}, {} layers of {}, {}, feed-forward {}, {}, vocabulary {}", family,
                     num_hidden_layers, hidden_size, heads, intermediate_size, positions,
                     vocab_size);
}

int64_t LanguageModelShape::cache_bytes(int64_t bytes_per_value) const {
  return 2 * num_hidden_layers * num_key_value_heads * (hidden_size / num_attention_heads) *
         bytes_per_value;
}

LanguageModelShape LanguageModelShape::parse(std::string_view model_type, const JsonView& config) {
  if (model_type == "mpt" || model_type == "mosaic_gpt") return mpt_shape(config);
  if (model_type == "gpt_neox") return gpt_neox_shape(config);
  if (model_type == "opt") return opt_shape(config);
  if (model_type == "llama" || model_type == "mistral") return llama_shape(config);
  throw UnsupportedError(
      fmt::format("{}: model_type: \"{}\" is not a language model this build "
                  "knows",
                  config.where(), model_type));
}

}  // namespace isthmus::layout
