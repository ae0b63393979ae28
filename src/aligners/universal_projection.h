// The universal projection module: soft tokens of a fixed number from the features of any modality,
// by experts that a router weighs.                                Han et al. 2024 (OneLLM), §3.1
#pragma once

#include <map>
#include <string>
#include <vector>

#include "aligners/aligner.h"
#include "aligners/expert_block.h"
#include "layout/onellm_config.h"
#include "nn/linear.h"
#include "nn/norms.h"
#include "nn/parameter_dict.h"

namespace isthmus::aligners {

// LayerNorm(W x + b): children 0 and 1, as torch.nn.Sequential names them.
class NormedLinearImpl : public torch::nn::Module {
 public:
  NormedLinearImpl(int64_t in_features, int64_t out_features);
  Tensor forward(const Tensor& x);  // [..., in_features] -> [..., out_features]

 private:
  nn::Linear linear_;
  nn::LayerNorm norm_;
};
TORCH_MODULE(NormedLinear);

// How much each expert counts in a row: σ(r) / Σ σ(r) with r = fc2(gelu(fc1(row))).
// Quirk: the paper says softmax over experts; the released code normalises sigmoids.
class RouterImpl : public torch::nn::Module {
 public:
  RouterImpl(int64_t width, int64_t hidden_size, int64_t num_experts);
  Tensor logits(const Tensor& rows);  // [..., width] -> [..., num_experts]
  static Tensor weights(const Tensor& logits);

 private:
  nn::Linear fc1_, fc2_;
};
TORCH_MODULE(Router);

// With h = clip_proj1(features) and R learned rows q of the modality,
//   z = [q, h],   out = Σ_e w_e(q) · expert_e(z)[: R],   tokens = [start, clip_proj2(out), end].
// Only the first R rows leave the experts, and there the router sees the learned rows alone: its
// weights are constants of the modality, of which 30 rows are computed instead of all. Names as
// published. Weights only; safe from any thread.
class UniversalProjection : public Aligner {
 public:
  UniversalProjection(const layout::ProjectionConfig& config,
                      const std::vector<layout::ModalityConfig>& modalities);

  // features [items, rows, width] of one modality, by its key -> tokens [items, 1 + R + 1,
  // hidden_size]. Probe: "aligner.proj1" [items, rows, width], "aligner.experts" [items, experts,
  // R, width], "aligner.mixed" [items, R, width], "aligner.modality_tokens" (without tags).
  Alignment align(const nn::Features& features, const nn::ForwardContext& context) override;

  // What the experts count in each of the R rows of a modality, [R, experts]; before the sigmoid
  // in router_logits. Undefined logits, and equal weights, for a modality without a router.
  Tensor routing(const std::string& key);
  Tensor router_logits(const std::string& key);

 private:
  Tensor experts(const Tensor& z, int64_t rows, const nn::ForwardContext& context);

  std::vector<std::vector<ExpertBlock>> experts_;
  nn::ParameterDict resample_tokens_, start_tag_, end_tag_;
  std::map<std::string, NormedLinear> clip_proj1_, clip_proj2_;
  std::map<std::string, Router> routers_;
};

}  // namespace isthmus::aligners
