// The shape of an MPT decoder as its config.json states it: MPT-7B and its kin (model_type mpt) and
// MosaicGPT, the earlier code behind mpt-1b-redpajama-200b (model_type mosaic_gpt).
#pragma once

#include <cstdint>

#include "base/json_view.h"

namespace isthmus::layout {

struct MptConfig {
  int64_t hidden_size;          // d_model
  int64_t intermediate_size;    // 4 d_model, whatever expansion_ratio says in transformers 4.33;
                                // mlp_ratio d_model in MosaicGPT
  int64_t num_hidden_layers;    // n_layers
  int64_t num_attention_heads;  // n_heads
  int64_t vocab_size, max_seq_len;
  bool alibi;              // false: learned positions, wpe [max_seq_len, hidden_size]
  int64_t alibi_bias_max;  // slopes 2^(-alibi_bias_max k / heads), k = 1 …
  bool alibi_interleaved;  // heads that are no power of two: every second slope of the next (mpt)
  bool qk_ln;              // queries and keys are normalised over the full width
  bool bias;               // of linear layers and norms; false in every released model
  double clip_qkv;         // 0: no clipping
  double softmax_scale;    // 1 / sqrt(head_dim) unless given
  double logit_scale;      // 1 unless given
  double layer_norm_eps;
  bool tie_word_embeddings;
  bool use_cache;      // false in mpt-1b-redpajama-200b: the reference then has no KV cache
  bool is_mosaic_gpt;  // names of the published tensors

  int64_t head_dim() const { return hidden_size / num_attention_heads; }
  // Throws UnsupportedError for options that no released model sets (prefix_lm,
  // attn_uses_sequence_id, multi-query attention).
  static MptConfig parse(const JsonView& json);
};

}  // namespace isthmus::layout
