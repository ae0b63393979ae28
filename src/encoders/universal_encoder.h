// One frozen CLIP that reads the tokens of every modality.           Han et al. 2024 (OneLLM), §3.1
#pragma once

#include <map>
#include <string>
#include <vector>

#include "encoders/modality_tokenizer.h"
#include "encoders/open_clip_transformer.h"
#include "encoders/patch_embedding.h"
#include "layout/onellm_config.h"
#include "nn/features.h"
#include "nn/forward_context.h"
#include "nn/norms.h"
#include "nn/slots.h"

namespace isthmus::encoders {

// x = ln_pre([class, tokens] + positions), the blocks of CLIP, ln_post of every row, the mean over
// frames. Names as published below `clip.visual.`, and tokenizers.{modality}. Weights only; safe
// from any thread.
class UniversalEncoderImpl : public nn::SlotModule {
 public:
  UniversalEncoderImpl(const layout::UniversalEncoderConfig& config,
                       const std::vector<layout::ModalityConfig>& modalities);

  // One medium of the modality `key`: pictures [frames, 3, S, S]; all else as its tokenizer takes
  // it with n = 1. -> values [1, 1 + tokens, width]. With `media` of them one after the other in
  // `input`, of as many frames each: [media, 1 + tokens, width]. Probe: "encoder.tokens" (of every frame),
  // open_clip_transformer.h, "encoder.frames" (after ln_post, before the mean).
  nn::Features forward(const Tensor& input, const std::string& key,
                       const nn::ForwardContext& context = {}, int64_t media = 1);

  std::vector<nn::Slot> slots() override;  // class_embedding, positional_embedding

 private:
  layout::UniversalEncoderConfig config_;
  Tensor class_embedding_, positional_embedding_;
  PatchEmbedding conv1_;
  nn::LayerNorm ln_pre_;
  OpenClipTransformer transformer_;
  nn::LayerNorm ln_post_;
  std::map<std::string, ModalityTokenizer> tokenizers_;  // of modalities that have their own
};
TORCH_MODULE(UniversalEncoder);

}  // namespace isthmus::encoders
