// The few numbers of a language model that whoever joins it to something must know, whatever kind
// it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json_view.h"

namespace isthmus::layout {

struct LanguageModelShape {
  std::string family;  // MPT, MosaicGPT, GPT-NeoX, OPT, LLaMA, Mistral
  int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads,
      num_key_value_heads;
  int64_t vocab_size;      // rows of the embedding as the file states them
  int64_t context_length;  // positions it was made for
  std::string positions;   // how it knows them: "ALiBi", "rotary", "learned positions"

  // "MPT, 32 layers of 4096, 32 heads, feed-forward 16384, ALiBi, vocabulary 50432"
  std::string architecture() const;
  // Bytes of keys and values of one token, over all layers.
  int64_t cache_bytes(int64_t bytes_per_value) const;

  // `model_type` and `config` as in config.json. Throws UnsupportedError for any other type, and
  // what the config of that type throws.
  static LanguageModelShape parse(std::string_view model_type, const JsonView& config);
};

}  // namespace isthmus::layout
