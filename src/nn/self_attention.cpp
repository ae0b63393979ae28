#include "nn/self_attention.h"

#include <cmath>
#include <limits>
#include <utility>

#include "nn/kv_cache.h"

namespace isthmus::nn {

SelfAttentionImpl::SelfAttentionImpl(const SelfAttentionOptions& o)
    : options_(o),
      q_proj_(register_module("q_proj",
                              Linear(o.hidden_size, o.num_attention_heads * o.head_dim, o.bias))),
      k_proj_(register_module("k_proj",
                              Linear(o.hidden_size, o.num_key_value_heads * o.head_dim, o.bias))),
      v_proj_(register_module("v_proj",
                              Linear(o.hidden_size, o.num_key_value_heads * o.head_dim, o.bias))),
      out_proj_(register_module(
          o.output_name, Linear(o.num_attention_heads * o.head_dim, o.hidden_size, o.bias))) {}

Tensor SelfAttentionImpl::forward(const Tensor& x, const ForwardContext& context) {
  const int64_t batch = x.size(0), seq = x.size(1);
  const auto heads = [&](const Tensor& rows, int64_t count) {
    return rows.view({batch, seq, count, options_.head_dim});
  };
  Tensor query = heads(q_proj_(x), options_.num_attention_heads);
  Tensor key = heads(k_proj_(x), options_.num_key_value_heads);
  Tensor value = heads(v_proj_(x), options_.num_key_value_heads);
  if (context.rotary.cos.defined()) {
    query = ops::rotary(query, context.rotary.cos, context.rotary.sin, options_.rotary_layout);
    key = ops::rotary(key, context.rotary.cos, context.rotary.sin, options_.rotary_layout);
  }
  if (context.cache != nullptr) {
    std::tie(key, value) = context.cache->append(options_.layer, key, value);
  } else {
    key = key.transpose(1, 2);
    value = value.transpose(1, 2);
  }
  const AttentionMask mask{options_.causal, options_.sliding_window, context.key_ranges};
  const double scale = 1.0 / std::sqrt(static_cast<double>(options_.head_dim));
  if (context.probe != nullptr && context.probe->wants(options_.probe_name)) {
    context.probe->see(options_.probe_name, attention_weights(query, key, scale, mask));
  }
  return out_proj_(ops::attention(query, key, value, scale, mask).reshape({batch, seq, -1}));
}

Tensor attention_weights(const Tensor& query, const Tensor& key, double scale,
                         const AttentionMask& mask) {
  const int64_t queries = query.size(1), keys = key.size(2), groups = query.size(2) / key.size(1);
  const Tensor scores =
      torch::matmul(query.transpose(1, 2), key.repeat_interleave(groups, 1).transpose(2, 3)) *
      scale;
  const Tensor at =
      torch::arange(keys - queries, keys).unsqueeze(1);  // key index at which a query stands
  const Tensor index = torch::arange(keys);
  Tensor visible = torch::ones({1, 1, queries, keys}, torch::kBool);
  if (mask.causal) visible = visible & (index <= at);
  if (mask.causal && mask.window > 0) visible = visible & (index > at - mask.window);
  if (!mask.ranges.empty()) {
    std::vector<Tensor> rows;
    for (const KeyRange& range : mask.ranges)
      rows.push_back((index >= range.begin) & (index < range.end));
    visible = visible & torch::stack(rows).view({-1, 1, 1, keys});
  }
  const Tensor weights =
      scores.masked_fill(~visible, -std::numeric_limits<double>::infinity()).softmax(-1);
  return weights.masked_fill(~visible, 0.0);
}

}  // namespace isthmus::nn
