#include "layout/opt_config.h"

#include <fmt/format.h>

#include "layout/config_checks.h"

namespace isthmus::layout {

OptConfig OptConfig::parse(const JsonView& json) {
  // Defaults of transformers' OPTConfig, i.e. opt-125m.
  OptConfig c{};
  c.hidden_size = bounded(json, "hidden_size", kMaxWidth, 768);
  c.ffn_dim = bounded(json, "ffn_dim", kMaxWidth, 3072);
  c.num_hidden_layers = bounded(json, "num_hidden_layers", kMaxLayers, 12);
  c.num_attention_heads = bounded(json, "num_attention_heads", kMaxHeads, 12);
  c.vocab_size = bounded(json, "vocab_size", kMaxVocabulary, 50272);
  c.max_position_embeddings = bounded(json, "max_position_embeddings", kMaxPositions, 2048);
  c.word_embed_proj_dim = bounded(json, "word_embed_proj_dim", kMaxWidth, c.hidden_size);
  c.activation_function = parse_activation(json, "activation_function", "relu");
  c.do_layer_norm_before = json.boolean("do_layer_norm_before", true);
  c.has_final_layer_norm =
      c.do_layer_norm_before && !json.boolean("_remove_final_layer_norm", false);
  c.enable_bias = json.boolean("enable_bias", true);
  c.layer_norm_elementwise_affine = json.boolean("layer_norm_elementwise_affine", true);
  c.tie_word_embeddings = json.boolean("tie_word_embeddings", true);
  json.require(c.hidden_size % c.num_attention_heads == 0, "hidden_size",
               fmt::format("{} is not a multiple of num_attention_heads ({})", c.hidden_size,
                           c.num_attention_heads));
  return c;
}

}  // namespace isthmus::layout
