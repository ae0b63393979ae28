// The shape of a GPT-NeoX decoder (Pythia, RedPajama-INCITE) as its config.json states it.
#pragma once

#include <cstdint>

#include "base/json_view.h"
#include "layout/clip_vision_config.h"

namespace isthmus::layout {

// How the rows of query_key_value stand: head by head as published, or all queries, then all keys,
// then all values, as llama.cpp's converter orders them.
enum class QkvLayout { kByHead, kByKind };

struct GptNeoxConfig {
  int64_t hidden_size, intermediate_size, num_hidden_layers, num_attention_heads;
  int64_t vocab_size, max_position_embeddings;
  int64_t rotary_dims;  // the first rotary_pct · head_dim elements of a head are rotated
  double rope_theta;    // rotary_emb_base
  double layer_norm_eps;
  Activation hidden_act;
  bool use_parallel_residual;  // x + attn(ln1 x) + mlp(ln2 x); false: one after the other
  bool attention_bias;
  QkvLayout qkv_layout;
  bool tie_word_embeddings;

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  static GptNeoxConfig parse(const JsonView& json);
};

}  // namespace isthmus::layout
