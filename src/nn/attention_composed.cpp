#include <algorithm>

#include "nn/attention_paths.h"

namespace isthmus::nn {
namespace {

// [batch or 1, 1, 1, Tq, Tk] bool, built from integer positions; undefined when every key is
// visible.
Tensor visible_mask(const AttentionMask& mask, int64_t query_length, int64_t key_length,
                    torch::Device device) {
  const auto integers = torch::TensorOptions().dtype(torch::kLong).device(device);
  const Tensor keys = torch::arange(key_length, integers).view({1, 1, 1, 1, key_length});
  Tensor visible;
  const auto restrict_to = [&](const Tensor& condition) {
    visible = visible.defined() ? visible.logical_and(condition) : condition;
  };
  if (mask.causal) {
    const Tensor positions =
        torch::arange(query_length, integers).view({1, 1, 1, query_length, 1}) +
        (key_length - query_length);
    restrict_to(keys <= positions);
    if (mask.window > 0) restrict_to(keys > positions - mask.window);
  }
  if (!mask.ranges.empty()) {
    const auto batch = static_cast<int64_t>(mask.ranges.size());
    Tensor begin = torch::empty({batch}, torch::kLong), end = torch::empty({batch}, torch::kLong);
    for (int64_t b = 0; b < batch; ++b) {
      begin.data_ptr<int64_t>()[b] = mask.ranges[static_cast<size_t>(b)].begin;
      end.data_ptr<int64_t>()[b] = mask.ranges[static_cast<size_t>(b)].end;
    }
    restrict_to(keys >= begin.to(device).view({batch, 1, 1, 1, 1}));
    restrict_to(keys < end.to(device).view({batch, 1, 1, 1, 1}));
  }
  return visible;
}

}  // namespace

KeyRange visible_keys(const AttentionMask& mask, int64_t batch_row, int64_t t, int64_t query_length,
                      int64_t key_length) {
  KeyRange range{0, key_length};
  if (!mask.ranges.empty()) {
    const KeyRange& real = mask.ranges[static_cast<size_t>(batch_row)];
    range = {std::max<int64_t>(real.begin, 0), std::min(real.end, key_length)};
  }
  if (mask.causal) {
    const int64_t position = key_length - query_length + t;
    range.end = std::min(range.end, position + 1);
    if (mask.window > 0) range.begin = std::max(range.begin, position - mask.window + 1);
  }
  range.end = std::max(range.end, range.begin);
  return range;
}

Tensor alibi_bias(const AttentionMask& mask, int64_t query_length, int64_t key_length,
                  const torch::TensorOptions& options) {
  if (mask.alibi_slopes.empty()) return {};
  const auto heads = static_cast<int64_t>(mask.alibi_slopes.size());
  Tensor slopes = torch::empty({heads, 1, 1}, torch::kFloat);
  std::copy(mask.alibi_slopes.begin(), mask.alibi_slopes.end(), slopes.data_ptr<float>());
  const auto integers = torch::TensorOptions().dtype(torch::kLong).device(options.device());
  const Tensor positions =
      torch::arange(key_length - query_length, key_length, integers).unsqueeze(1);
  return slopes.to(options) * (torch::arange(key_length, integers) - positions).to(options);
}

Tensor attention_composed(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                          const AttentionMask& mask) {
  const int64_t batch = query.size(0), query_length = query.size(1), heads = query.size(2);
  const int64_t head_dim = query.size(3), kv_heads = key.size(1), key_length = key.size(2);
  const int64_t group = heads / kv_heads;
  const Tensor q = query.transpose(1, 2).reshape({batch, kv_heads, group, query_length, head_dim});
  const Tensor k = key.unsqueeze(2), v = value.unsqueeze(2);

  Tensor scores = torch::matmul(q * scale, k.transpose(-2, -1));
  // Softmax sums in float32 whatever the storage.
  if (scores.scalar_type() == torch::kBFloat16 || scores.scalar_type() == torch::kHalf)
    scores = scores.to(torch::kFloat);
  if (const Tensor bias = alibi_bias(mask, query_length, key_length, scores.options());
      bias.defined())
    scores = scores + bias.view({kv_heads, group, query_length, key_length});
  const Tensor visible = visible_mask(mask, query_length, key_length, query.device());
  Tensor weights;
  if (visible.defined()) {
    // A row that sees nothing keeps its scores through softmax and is zeroed after it: filling it
    // with -inf would give NaN, and NaN gradients even behind a later mask.
    const Tensor sees_something = visible.any(-1, true);
    const Tensor hidden = visible.logical_not();
    weights = torch::softmax(scores.masked_fill(hidden.logical_and(sees_something),
                                                -std::numeric_limits<double>::infinity()),
                             -1);
    weights = weights.masked_fill(hidden, 0.0);
  } else {
    weights = torch::softmax(scores, -1);
  }
  const Tensor out =
      torch::matmul(weights.to(v.scalar_type()), v);  // [batch, kv_heads, group, Tq, head_dim]
  return out.reshape({batch, heads, query_length, head_dim}).transpose(1, 2).contiguous();
}

}  // namespace isthmus::nn
