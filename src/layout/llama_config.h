// The shape of a LLaMA-type decoder (LLaMA, Vicuna, Mistral) as its config.json states it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_view.h"

namespace isthmus::layout {

enum class RopeLayout {
  kHalves,
  kPairs
};  // HF export rotates halves of a head, Meta's files and llama.cpp's adjacent pairs

// Rotary frequency scaling; `factor` is unused for kNone.
enum class RopeScaling { kNone, kLinear, kDynamic };

struct LlamaConfig {
  int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads,
      num_key_value_heads;
  int64_t vocab_size, max_position_embeddings, head_dim;
  double rms_norm_eps, rope_theta;
  RopeLayout rope_layout;
  RopeScaling rope_scaling;
  double rope_factor;
  // What each of the head_dim / 2 frequencies is divided by; empty: by 1. LLaMA 3.1 and later.
  std::vector<double> rope_frequency_factors;
  int64_t sliding_window;  // keys a query may look back on, itself included; 0 = all (Mistral v0.1:
                           // 4096)
  bool tie_word_embeddings;
  bool attention_bias;

  bool operator==(const LlamaConfig&) const = default;

  static LlamaConfig parse(const JsonView& json);
};

}  // namespace isthmus::layout
