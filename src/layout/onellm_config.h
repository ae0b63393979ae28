// The shape of a OneLLM. What is published beside the weights tells of the language model only; all
// else follows from the shapes of the tensors.        Han et al. 2024 (arXiv 2312.03700)
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "layout/llama_config.h"
#include "layout/onellm_modality.h"
#include "layout/onellm_tensors.h"

namespace isthmus::layout {

// The shared transformer, a CLIP.
struct UniversalEncoderConfig {
  int64_t width, layers, heads, intermediate_size;
  int64_t image_size, patch_size;
  static constexpr double kLayerNormEps = 1e-5;

  int64_t patches_per_side() const { return image_size / patch_size; }
  int64_t num_patches() const { return patches_per_side() * patches_per_side(); }
};

// The universal projection module: experts of LLaMA's blocks, without rotation and mask.
struct ProjectionConfig {
  int64_t width, hidden_size;        // of the encoder, of the language model
  std::vector<std::string> experts;  // names of the stacks, in the checkpoint's order
  int64_t layers, heads, intermediate_size;
  double rms_norm_eps;
};

// Parts that the released file holds and nothing uses: what is left of CLIP's text tower.
struct ClipLeftovers {
  int64_t vocab_size = 0, width = 0;  // of token_embedding; 0: they are not there
  int64_t positions = 0, embed_dim = 0;
};

struct OneLlmConfig {
  LlamaConfig language;
  // Without modalities the checkpoint is a LLaMA alone, and what follows is empty.
  UniversalEncoderConfig encoder;
  ProjectionConfig projection;
  std::vector<ModalityConfig> modalities;
  ClipLeftovers leftovers;
  // Quirk: what the reference generates overwrites the last two tokens of the prompt. Models that
  // learnt to answer behind them say so in onellm.json.         model/LLM/onellm.py,
  // forward_inference
  bool decode_offset_ignores_tags = true;

  bool is_language_model() const { return modalities.empty(); }
};

// Files beside the weights; "" for what is not there.
struct OneLlmConfigFiles {
  std::vector<std::filesystem::path> params;  // params.json, 7B.json, …: the first whose dim fits
  std::filesystem::path options;              // onellm.json
};

// `vocab_size` is the embedding's. Where params leave it open: heads of 128, norm_eps 1e-5,
// rope_theta 10000, a context of 2048. Where onellm.json does: the constants of the reference.
// Throws ModelError naming tensor or key where shapes or files contradict each other.
OneLlmConfig read_onellm_config(const OneLlmTensors& tensors, const OneLlmConfigFiles& files);

}  // namespace isthmus::layout
