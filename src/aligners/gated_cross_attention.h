// Blocks between those of a frozen language model, through which text reads media. Alayrac et al.
// 2022, §3.1.2 and fig. 4.
#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "aligners/feed_forward.h"
#include "aligners/media_runs.h"
#include "layout/flamingo_config.h"
#include "nn/forward_context.h"
#include "nn/linear.h"
#include "nn/media_memory.h"
#include "nn/norms.h"
#include "nn/slots.h"

namespace isthmus::aligners {

// to_out(softmax(q kᵀ / sqrt(dim_head)) v) with q = to_q(norm(text)), [k, v] = to_kv(latents);
// which latents a position reads is media_runs.h's to say. Weights only; safe from any thread.
class MaskedCrossAttentionImpl : public torch::nn::Module {
 public:
  // `layer`: of the decoder, where MediaMemory keeps this block's keys and values.
  MaskedCrossAttentionImpl(const layout::CrossAttentionConfig& config, int64_t layer);

  // text [batch, seq, lang_dim] -> same, exact zeros where a position reads nothing; undefined when
  // none reads anything. Reads the context's media and probe: "aligner.cross_attention.{layer}.
  // weights" [batch, heads, seq, media · latents].
  Tensor forward(const Tensor& text, const nn::ForwardContext& context);

  // latents [..., n, vis_dim] -> keys and values [..., heads, n, dim_head], views of one product.
  nn::MediaKeyValue project(const Tensor& latents);

 private:
  class Reader;

  layout::CrossAttentionConfig config_;
  int64_t layer_;
  std::string probe_name_;
  nn::LayerNorm norm_;
  nn::Linear to_q_, to_kv_, to_out_;
};
TORCH_MODULE(MaskedCrossAttention);

// x + tanh(attn_gate) attn(x), then x + tanh(ff_gate) ff(x). The feed-forward acts on every
// position, also where there is nothing to read. Gates start at 0: a fresh block changes nothing.
class GatedCrossAttentionBlockImpl : public nn::SlotModule {
 public:
  GatedCrossAttentionBlockImpl(const layout::CrossAttentionConfig& config, int64_t layer);

  // hidden [batch, seq, lang_dim] -> same. Without media in the context nothing is read. Probe:
  // "aligner.cross_attention.{layer}." + "input", "attention" and "feed_forward" (both before their
  // gates), "output".
  Tensor forward(const Tensor& hidden, const nn::ForwardContext& context);
  nn::MediaKeyValue project(const Tensor& latents) { return attn_->project(latents); }

  std::vector<nn::Slot> slots() override;  // attn_gate, ff_gate

 private:
  std::string probe_prefix_;
  Tensor attn_gate_, ff_gate_;
  MaskedCrossAttention attn_;
  FeedForward ff_;
};
TORCH_MODULE(GatedCrossAttentionBlock);

}  // namespace isthmus::aligners
