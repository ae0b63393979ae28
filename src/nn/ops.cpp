#include "nn/ops.h"

#include <cmath>

#include "base/check.h"
#include "nn/attention_paths.h"

namespace isthmus::nn::ops {
namespace {

thread_local bool composed_only = false;

constexpr double kQuickGeluAlpha = 1.702;  // CLIP, QuickGELU

bool is_narrow(const Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 || x.scalar_type() == torch::kHalf;
}

}  // namespace

bool fused_enabled() {
  return !composed_only && (c10::InferenceMode::is_enabled() || !c10::GradMode::is_enabled());
}

ComposedOnly::ComposedOnly() : before_(composed_only) { composed_only = true; }
ComposedOnly::~ComposedOnly() { composed_only = before_; }

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  const Tensor wide = is_narrow(x) ? x.to(torch::kFloat) : x;
  return (wide * torch::rsqrt(wide.square().mean(-1, true) + eps)).to(x.scalar_type()) * weight;
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return torch::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

Tensor silu_mul(const Tensor& gate, const Tensor& up) { return torch::silu(gate) * up; }

Tensor gelu(const Tensor& x) { return torch::gelu(x); }

Tensor gelu_tanh(const Tensor& x) { return torch::gelu(x, "tanh"); }

Tensor quick_gelu(const Tensor& x) { return x * torch::sigmoid(x * kQuickGeluAlpha); }

Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout) {
  const int64_t half = x.size(-1) / 2;
  ISTHMUS_CHECK(
      x.dim() == 4 && x.size(-1) == 2 * half && cos.size(-1) == half && sin.size(-1) == half &&
          cos.size(-2) == x.size(1) && sin.size(-2) == x.size(1),
      "rotary: x is [batch, seq, heads, head_dim], cos and sin [batch or 1, seq, head_dim / 2]");
  const Tensor c = cos.unsqueeze(2), s = sin.unsqueeze(2);  // one angle for all heads
  if (layout == RotaryLayout::kHalves) {
    const Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
    return torch::cat({a * c - b * s, b * c + a * s}, -1).to(x.scalar_type());
  }
  const Tensor pairs = x.unflatten(-1, {half, 2});
  const Tensor a = pairs.select(-1, 0), b = pairs.select(-1, 1);
  return torch::stack({a * c - b * s, b * c + a * s}, -1).flatten(-2).to(x.scalar_type());
}

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                 const AttentionMask& mask) {
  ISTHMUS_CHECK(query.dim() == 4 && key.dim() == 4 && key.sizes() == value.sizes() &&
                    query.size(0) == key.size(0) && query.size(3) == key.size(3) &&
                    key.size(1) > 0 && query.size(2) % key.size(1) == 0,
                "attention: query is [batch, Tq, heads, head_dim], key and value [batch, kv_heads, "
                "Tk, head_dim]");
  ISTHMUS_CHECK(mask.ranges.empty() || static_cast<int64_t>(mask.ranges.size()) == query.size(0),
                "attention: one key range per batch row");
  return attention_composed(query, key, value, scale, mask);
}

}  // namespace isthmus::nn::ops
