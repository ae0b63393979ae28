#include "aligners/expert_block.h"

#include <cmath>

#include "nn/ops.h"

namespace isthmus::aligners {

ExpertAttentionImpl::ExpertAttentionImpl(const layout::ProjectionConfig& config)
    : heads_(config.heads),
      wq_(register_module("wq", nn::Linear(config.width, config.width, false))),
      wk_(register_module("wk", nn::Linear(config.width, config.width, false))),
      wv_(register_module("wv", nn::Linear(config.width, config.width, false))),
      wo_(register_module("wo", nn::Linear(config.width, config.width, false))) {}

Tensor ExpertAttentionImpl::forward(const Tensor& x, int64_t rows) {
  const auto heads = [&](const Tensor& projected) { return projected.unflatten(-1, {heads_, -1}); };
  const Tensor query = heads(wq_(x.narrow(1, 0, rows)));
  const Tensor key = heads(wk_(x)).transpose(1, 2), value = heads(wv_(x)).transpose(1, 2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(query.size(-1)));
  return wo_(nn::ops::attention(query, key, value, scale, {}).flatten(-2));
}

ExpertFeedForwardImpl::ExpertFeedForwardImpl(const layout::ProjectionConfig& config)
    : w1_(register_module("w1", nn::Linear(config.width, config.intermediate_size, false))),
      w2_(register_module("w2", nn::Linear(config.intermediate_size, config.width, false))),
      w3_(register_module("w3", nn::Linear(config.width, config.intermediate_size, false))) {}

Tensor ExpertFeedForwardImpl::forward(const Tensor& x) {
  return w2_(nn::ops::silu_mul(w1_(x), w3_(x)));
}

ExpertBlockImpl::ExpertBlockImpl(const layout::ProjectionConfig& config)
    : attention_(register_module("attention", ExpertAttention(config))),
      feed_forward_(register_module("feed_forward", ExpertFeedForward(config))),
      attention_norm_(
          register_module("attention_norm", nn::RmsNorm(config.width, config.rms_norm_eps))),
      ffn_norm_(register_module("ffn_norm", nn::RmsNorm(config.width, config.rms_norm_eps))) {}

Tensor ExpertBlockImpl::forward(const Tensor& x, int64_t rows) {
  const Tensor h = x.narrow(1, 0, rows) + attention_(attention_norm_(x), rows);
  return h + feed_forward_(ffn_norm_(h));
}

}  // namespace isthmus::aligners
