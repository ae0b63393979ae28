// open_clip's vision transformer, which is also OpenAI's own CLIP, with the names published below
// `visual.`. Radford et al. 2021, §2.4.
#pragma once

#include <vector>

#include <torch/nn/module.h>

#include "encoders/open_clip_transformer.h"
#include "encoders/patch_embedding.h"
#include "layout/open_clip_config.h"
#include "nn/features.h"
#include "nn/forward_context.h"
#include "nn/norms.h"
#include "nn/slots.h"

namespace isthmus::encoders {

struct OpenClipVitOptions {
  // Quirk: open_clip 2.23 and later hand over patch tokens that have passed ln_post, earlier
  // versions did not; OpenFlamingo's released models were trained on the latter.
  // open_clip/transformer.py
  bool ln_post = false;
};

// What one forward yields for both uses of a picture.
struct OpenClipEncoding {
  nn::Features features;
  Tensor image_embedding;  // [n, embed_dim]
};

// Weights only; safe from any thread.
class OpenClipVitImpl : public nn::SlotModule {
 public:
  explicit OpenClipVitImpl(const layout::OpenClipVisionConfig& config,
                           const OpenClipVitOptions& options = {});

  // pixels [n, 3, S, S] float32, normalised -> values [n, patches, width]: the last block's, without
  // the class token. Only the context's probe is used (open_clip_transformer.h).
  nn::Features forward(const Tensor& pixels, const nn::ForwardContext& context = {});
  // pixels -> [n, embed_dim], of length 1: ln_post(class token) · proj, in which pictures (and
  // texts) are compared by dot product.
  Tensor image_embedding(const Tensor& pixels, const nn::ForwardContext& context = {});
  // Both for the price of one.
  OpenClipEncoding encode(const Tensor& pixels, const nn::ForwardContext& context = {});

  const layout::OpenClipVisionConfig& config() const { return config_; }
  std::vector<nn::Slot> slots() override;  // class_embedding, positional_embedding, proj

 private:
  Tensor tokens(const Tensor& pixels, const nn::ForwardContext& context);  // class token in front
  nn::Features patch_features(const Tensor& tokens);
  Tensor class_embedding(const Tensor& tokens);

  layout::OpenClipVisionConfig config_;
  OpenClipVitOptions options_;
  Tensor class_embedding_, positional_embedding_, proj_;
  PatchEmbedding conv1_;
  nn::LayerNorm ln_pre_;
  OpenClipTransformer transformer_;
  nn::LayerNorm ln_post_;
};
TORCH_MODULE(OpenClipVit);

}  // namespace isthmus::encoders
