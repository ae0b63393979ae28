#include "nn/self_attention.h"

#include <cmath>
#include <limits>
#include <utility>

#include "nn/attention_paths.h"
#include "nn/kv_cache.h"

namespace isthmus::nn {

Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value,
              const AttendOptions& options, const ForwardContext& context) {
  if (!context.lanes.empty()) {
    const AttentionMask mask{options.causal, options.sliding_window, {}, options.alibi_slopes};
    return attend_lanes(query, key, value, options.scale, mask, options.layer, context.lanes)
        .flatten(2);
  }
  const auto [keys, values] =
      context.cache != nullptr
          ? context.cache->append(options.layer, key, value)
          : std::pair(CachedRows{key.transpose(1, 2), {}}, CachedRows{value.transpose(1, 2), {}});
  const AttentionMask mask{options.causal, options.sliding_window, context.key_ranges,
                           options.alibi_slopes};
  if (context.probe != nullptr && context.probe->wants(options.probe_name)) {
    context.probe->see(options.probe_name,
                       attention_weights(query, keys.widened(), options.scale, mask));
  }
  return ops::attention(query, keys, values, options.scale, mask).flatten(2);
}

SelfAttentionImpl::SelfAttentionImpl(const SelfAttentionOptions& o)
    : options_(o),
      attend_{.scale = 1.0 / std::sqrt(static_cast<double>(o.head_dim)),
              .causal = o.causal,
              .sliding_window = o.sliding_window,
              .layer = o.layer,
              .probe_name = o.probe_name},
      q_proj_(register_module("q_proj",
                              Linear(o.hidden_size, o.num_attention_heads * o.head_dim, o.bias))),
      k_proj_(register_module("k_proj",
                              Linear(o.hidden_size, o.num_key_value_heads * o.head_dim, o.bias))),
      v_proj_(register_module("v_proj",
                              Linear(o.hidden_size, o.num_key_value_heads * o.head_dim, o.bias))),
      out_proj_(register_module(
          o.output_name, Linear(o.num_attention_heads * o.head_dim, o.hidden_size, o.bias))) {}

Tensor SelfAttentionImpl::forward(const Tensor& x, const ForwardContext& context) {
  const int64_t batch = x.size(0);
  const auto heads = [&](const Tensor& rows, int64_t count) {
    return rows.view({batch, rows.size(1), count, options_.head_dim});
  };
  Tensor query = heads(q_proj_(asking_rows(x, context)), options_.num_attention_heads);
  Tensor key = heads(k_proj_(x), options_.num_key_value_heads);
  const Tensor value = heads(v_proj_(x), options_.num_key_value_heads);
  if (context.rotary.cos.defined()) {
    query = ops::rotary(query, asking_rows(context.rotary.cos, context),
                        asking_rows(context.rotary.sin, context), options_.rotary_layout);
    key = ops::rotary(key, context.rotary.cos, context.rotary.sin, options_.rotary_layout);
  }
  return out_proj_(attend(query, key, value, attend_, context));
}

Tensor attention_weights(const Tensor& query, const Tensor& key, double scale,
                         const AttentionMask& mask) {
  const int64_t queries = query.size(1), keys = key.size(2), groups = query.size(2) / key.size(1);
  Tensor scores =
      torch::matmul(query.transpose(1, 2), key.repeat_interleave(groups, 1).transpose(2, 3)) *
      scale;
  if (const Tensor bias = alibi_bias(mask, queries, keys, scores.options()); bias.defined())
    scores = scores + bias;
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
