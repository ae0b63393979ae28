#include "encoders/open_clip_transformer.h"

#include <cmath>
#include <memory>

#include "nn/mlp.h"
#include "nn/ops.h"
#include "nn/self_attention.h"

namespace isthmus::encoders {
namespace {

void show(nn::Probe* probe, int64_t state, const Tensor& hidden) {
  if (probe == nullptr) return;
  const std::string name = "encoder.hidden." + std::to_string(state);
  if (probe->wants(name)) probe->see(name, hidden);
}

}  // namespace

OpenClipAttentionImpl::OpenClipAttentionImpl(const OpenClipTransformerOptions& options,
                                             int64_t layer)
    : width_(options.width),
      heads_(options.heads),
      head_dim_(options.head_dim()),
      probe_name_("encoder.layers." + std::to_string(layer) + ".attention.weights"),
      in_proj_(register_module("in_proj", nn::Linear(options.width, 3 * options.width))),
      out_proj_(register_module("out_proj", nn::Linear(options.width, options.width))) {}

Tensor OpenClipAttentionImpl::forward(const Tensor& x, nn::Probe* probe) {
  const Tensor qkv = in_proj_(x);
  const auto heads = [&](int64_t part) {  // [n, rows, heads, head_dim], a view
    return qkv.narrow(-1, part * width_, width_).unflatten(-1, {heads_, head_dim_});
  };
  const Tensor query = heads(0), key = heads(1).transpose(1, 2), value = heads(2).transpose(1, 2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim_));
  if (probe != nullptr && probe->wants(probe_name_))
    probe->see(probe_name_, nn::attention_weights(query, key, scale, {}));
  return out_proj_(nn::ops::attention(query, key, value, scale, {}).flatten(-2));
}

OpenClipBlockImpl::OpenClipBlockImpl(const OpenClipTransformerOptions& options, int64_t layer)
    : activation_(options.activation),
      ln_1_(register_module("ln_1", nn::LayerNorm(options.width, options.layer_norm_eps))),
      attn_(register_module("attn", OpenClipAttention(options, layer))),
      ln_2_(register_module("ln_2", nn::LayerNorm(options.width, options.layer_norm_eps))),
      c_fc_(options.width, options.intermediate_size),
      c_proj_(options.intermediate_size, options.width) {
  auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>("Sequential"));
  mlp->register_module("c_fc", c_fc_);
  mlp->register_module("c_proj", c_proj_);
}

Tensor OpenClipBlockImpl::forward(const Tensor& x, nn::Probe* probe) {
  const Tensor h = x + attn_(ln_1_(x), probe);
  nn::between_blocks(probe);
  return h + c_proj_(nn::activate(c_fc_(ln_2_(h)), activation_));
}

OpenClipTransformerImpl::OpenClipTransformerImpl(const OpenClipTransformerOptions& options) {
  auto blocks = register_module("resblocks", std::make_shared<torch::nn::Module>("ModuleList"));
  for (int64_t layer = 0; layer < options.layers; ++layer)
    resblocks_.push_back(
        blocks->register_module(std::to_string(layer), OpenClipBlock(options, layer)));
}

Tensor OpenClipTransformerImpl::forward(const Tensor& x, nn::Probe* probe) {
  Tensor hidden = x;
  show(probe, 0, hidden);
  for (size_t layer = 0; layer < resblocks_.size(); ++layer) {
    hidden = resblocks_[layer](hidden, probe);
    show(probe, static_cast<int64_t>(layer) + 1, hidden);
    nn::between_blocks(probe);
  }
  return hidden;
}

}  // namespace isthmus::encoders
