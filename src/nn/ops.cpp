#include "nn/ops.h"

#include <cmath>

#include "base/check.h"
#include "kernels/table.h"
#include "nn/attention_paths.h"
#include "nn/fused_ops.h"
#include "nn/recorded_ops.h"
#include "nn/work.h"

namespace isthmus::nn::ops {
namespace {

thread_local bool composed_only = false;

constexpr double kQuickGeluAlpha = 1.702;  // CLIP, QuickGELU

bool is_narrow(const Tensor& x) {
  return x.scalar_type() == torch::kBFloat16 || x.scalar_type() == torch::kHalf;
}

bool fits(const Tensor& x) {
  return x.defined() && x.device().is_cpu() && x.scalar_type() == torch::kFloat &&
         x.layout() == torch::kStrided && !x.is_conj() && !x.is_neg();
}

enum class Path {
  kFused,     // the kernels alone
  kRecorded,  // the kernels, with their gradients
  kComposed,
};

template <class... Tensors>
Path path_of(const Tensors&... tensors) {
  if (composed_only || !(fits(tensors) && ...)) return Path::kComposed;
  const bool records = torch::GradMode::is_enabled() && (tensors.requires_grad() || ...);
  return records ? Path::kRecorded : Path::kFused;
}

}  // namespace

bool fused_enabled() {
  return !composed_only && (c10::InferenceMode::is_enabled() || !c10::GradMode::is_enabled());
}

ComposedOnly::ComposedOnly() : before_(composed_only) { composed_only = true; }
ComposedOnly::~ComposedOnly() { composed_only = before_; }

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  const Path path = path_of(x, weight);
  if (path != Path::kComposed && x.dim() > 0 && weight.dim() == 1 && weight.size(0) == x.size(-1))
    return path == Path::kFused ? fused::rms_norm(x, weight, eps)
                                : recorded::rms_norm(x, weight, eps);
  const Tensor wide = is_narrow(x) ? x.to(torch::kFloat) : x;
  return (wide * torch::rsqrt(wide.square().mean(-1, true) + eps)).to(x.scalar_type()) * weight;
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const Path path = bias.defined() ? path_of(x, weight, bias) : path_of(x, weight);
  if (path != Path::kComposed && x.dim() > 0 && weight.dim() == 1 && weight.size(0) == x.size(-1) &&
      (!bias.defined() || bias.sizes() == weight.sizes()))
    return path == Path::kFused ? fused::layer_norm(x, weight, bias, eps)
                                : recorded::layer_norm(x, weight, bias, eps);
  // torch mixes narrow rows with float32 parameters, but not double ones.
  const auto fitting = [&](const Tensor& parameter) {
    return parameter.defined() && x.scalar_type() == torch::kDouble ? parameter.to(torch::kDouble)
                                                                    : parameter;
  };
  return torch::layer_norm(x, {x.size(-1)}, fitting(weight), fitting(bias), eps);
}

Tensor silu_mul(const Tensor& gate, const Tensor& up) {
  const Path path = path_of(gate, up);
  if (path == Path::kComposed || gate.sizes() != up.sizes()) return torch::silu(gate) * up;
  return path == Path::kFused ? fused::silu_mul(gate, up) : recorded::silu_mul(gate, up);
}

Tensor gelu(const Tensor& x) {
  switch (path_of(x)) {
    case Path::kFused: return fused::activation(x, kernels::kernels().gelu);
    case Path::kRecorded: return recorded::activation(x, recorded::Curve::kGelu);
    default: return torch::gelu(x);
  }
}

Tensor gelu_tanh(const Tensor& x) {
  switch (path_of(x)) {
    case Path::kFused: return fused::activation(x, kernels::kernels().gelu_tanh);
    case Path::kRecorded: return recorded::activation(x, recorded::Curve::kGeluTanh);
    default: return torch::gelu(x, "tanh");
  }
}

Tensor quick_gelu(const Tensor& x) {
  switch (path_of(x)) {
    case Path::kFused: return fused::activation(x, kernels::kernels().quick_gelu);
    case Path::kRecorded: return recorded::activation(x, recorded::Curve::kQuickGelu);
    default: return x * torch::sigmoid(x * kQuickGeluAlpha);
  }
}

Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout) {
  const int64_t half = cos.size(-1), rest = x.size(-1) - 2 * half;
  ISTHMUS_CHECK(
      x.dim() == 4 && rest >= 0 && cos.dim() == 3 && sin.sizes() == cos.sizes() &&
          cos.size(1) == x.size(1) && (cos.size(0) == 1 || cos.size(0) == x.size(0)),
      "rotary: x is [batch, seq, heads, head_dim], cos and sin [batch or 1, seq, rotary_dims / 2]");
  const Path path = path_of(x, cos, sin);
  const bool angles_learn = cos.requires_grad() || sin.requires_grad();
  if (path != Path::kComposed && x.stride(-1) == 1 && !angles_learn)
    return path == Path::kFused ? fused::rotary(x, cos, sin, layout)
                                : recorded::rotary(x, cos, sin, layout);
  const Tensor c = cos.unsqueeze(2), s = sin.unsqueeze(2);  // one angle for all heads
  std::vector<Tensor> parts;
  if (layout == RotaryLayout::kHalves) {
    const Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
    parts = {a * c - b * s, b * c + a * s};
  } else {
    const Tensor pairs = x.narrow(-1, 0, 2 * half).unflatten(-1, {half, 2});
    const Tensor a = pairs.select(-1, 0), b = pairs.select(-1, 1);
    parts = {torch::stack({a * c - b * s, b * c + a * s}, -1).flatten(-2)};
  }
  if (rest > 0) parts.push_back(x.narrow(-1, 2 * half, rest));
  return torch::cat(parts, -1).to(x.scalar_type());
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
  ISTHMUS_CHECK(mask.alibi_slopes.empty() ||
                    static_cast<int64_t>(mask.alibi_slopes.size()) == query.size(2),
                "attention: one ALiBi slope per query head");
  count_attention(query, key, mask);
  const Path path = path_of(query, key, value);
  if (path != Path::kComposed && query.stride(-1) == 1 && key.stride(-1) == 1 &&
      value.stride(-1) == 1)
    return path == Path::kFused ? attention_fused(query, key, value, scale, mask)
                                : recorded::attention(query, key, value, scale, mask);
  return attention_composed(query, key, value, scale, mask);
}

Tensor attention(const Tensor& query, const CachedRows& key, const CachedRows& value, double scale,
                 const AttentionMask& mask) {
  const bool cached_narrow =
      key.rows.scalar_type() == torch::kHalf || key.rows.scalar_type() == torch::kChar;
  if (cached_narrow && path_of(query) == Path::kFused && query.stride(-1) == 1) {
    count_attention(query, key.rows, mask);
    return attention_fused(query, key, value, scale, mask);
  }
  return attention(query, key.widened(), value.widened(), scale, mask);
}

}  // namespace isthmus::nn::ops
