#include "nn/ops.h"

#include <cmath>

#include "base/check.h"
#include "kernels/table.h"
#include "nn/attention_paths.h"
#include "nn/parallel.h"

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

template <class... Tensors>
bool fused_path(const Tensors&... tensors) {
  return fused_enabled() && (fits(tensors) && ...);
}

// body(first, count) over `rows` rows of `dim` elements, in pieces worth waking a thread for.
template <class Body>
void parallel_rows(int64_t rows, int64_t dim, const Body& body) {
  constexpr int64_t kElementsPerTask = 16 * 1024;
  const int64_t grain = std::max<int64_t>(kElementsPerTask / std::max<int64_t>(dim, 1), 1);
  at::parallel_for(0, rows, grain, [&](int64_t first, int64_t last) { body(first, last - first); });
}

Tensor activation(const Tensor& x, void (*kernel)(const kernels::ActivationArgs&)) {
  const Tensor dense = x.contiguous();
  Tensor y = torch::empty(dense.sizes(), dense.options());
  const float* from = dense.data_ptr<float>();
  float* to = y.data_ptr<float>();
  parallel_rows(y.numel(), 1, [&](int64_t first, int64_t count) {
    kernel({from + first, to + first, count});
  });
  return y;
}

Tensor rotary_fused(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout) {
  const int64_t batch = x.size(0), seq = x.size(1), heads = x.size(2), head_dim = x.size(3),
                half = cos.size(2);
  const Tensor c = cos.contiguous(), s = sin.contiguous();
  Tensor y = torch::empty({batch, seq, heads, head_dim}, x.options());
  const auto kernel = layout == RotaryLayout::kHalves ? kernels::kernels().rotary_halves
                                                      : kernels::kernels().rotary_pairs;
  const float *from = x.data_ptr<float>(), *cosines = c.data_ptr<float>(),
              *sines = s.data_ptr<float>();
  float* to = y.data_ptr<float>();
  const int64_t batch_stride = x.stride(0), row_stride = x.stride(1), head_stride = x.stride(2);
  parallel_rows(batch * seq, heads * head_dim, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      const int64_t b = r / seq, t = r % seq, angles = ((cos.size(0) > 1 ? b : 0) * seq + t) * half;
      kernel({from + b * batch_stride + t * row_stride, head_stride, cosines + angles,
              sines + angles, to + r * heads * head_dim, heads, head_dim, 2 * half});
    }
  });
  return y;
}

}  // namespace

bool fused_enabled() {
  return !composed_only && (c10::InferenceMode::is_enabled() || !c10::GradMode::is_enabled());
}

ComposedOnly::ComposedOnly() : before_(composed_only) { composed_only = true; }
ComposedOnly::~ComposedOnly() { composed_only = before_; }

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  if (fused_path(x, weight) && x.dim() > 0 && weight.dim() == 1 && weight.size(0) == x.size(-1)) {
    const Tensor dense = x.contiguous(), scale = weight.contiguous();
    Tensor y = torch::empty(dense.sizes(), dense.options());
    const int64_t dim = x.size(-1), rows = dim == 0 ? 0 : x.numel() / dim;
    const float *from = dense.data_ptr<float>(), *by = scale.data_ptr<float>();
    float* to = y.data_ptr<float>();
    parallel_rows(rows, dim, [&](int64_t first, int64_t count) {
      kernels::kernels().rms_norm(
          {from + first * dim, by, to + first * dim, count, dim, static_cast<float>(eps)});
    });
    return y;
  }
  const Tensor wide = is_narrow(x) ? x.to(torch::kFloat) : x;
  return (wide * torch::rsqrt(wide.square().mean(-1, true) + eps)).to(x.scalar_type()) * weight;
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  if (fused_path(x, weight) && x.dim() > 0 && weight.dim() == 1 && weight.size(0) == x.size(-1) &&
      (!bias.defined() || (fits(bias) && bias.sizes() == weight.sizes()))) {
    const Tensor dense = x.contiguous(), scale = weight.contiguous();
    const Tensor shift = bias.defined() ? bias.contiguous() : bias;
    Tensor y = torch::empty(dense.sizes(), dense.options());
    const int64_t dim = x.size(-1), rows = dim == 0 ? 0 : x.numel() / dim;
    const float *from = dense.data_ptr<float>(), *by = scale.data_ptr<float>(),
                *plus = shift.defined() ? shift.data_ptr<float>() : nullptr;
    float* to = y.data_ptr<float>();
    parallel_rows(rows, dim, [&](int64_t first, int64_t count) {
      kernels::kernels().layer_norm(
          {from + first * dim, by, plus, to + first * dim, count, dim, static_cast<float>(eps)});
    });
    return y;
  }
  // torch mixes narrow rows with float32 parameters, but not double ones.
  const auto fitting = [&](const Tensor& parameter) {
    return parameter.defined() && x.scalar_type() == torch::kDouble ? parameter.to(torch::kDouble)
                                                                    : parameter;
  };
  return torch::layer_norm(x, {x.size(-1)}, fitting(weight), fitting(bias), eps);
}

Tensor silu_mul(const Tensor& gate, const Tensor& up) {
  if (fused_path(gate, up) && gate.sizes() == up.sizes()) {
    const Tensor a = gate.contiguous(), b = up.contiguous();
    Tensor y = torch::empty(a.sizes(), a.options());
    const float *from = a.data_ptr<float>(), *by = b.data_ptr<float>();
    float* to = y.data_ptr<float>();
    parallel_rows(y.numel(), 1, [&](int64_t first, int64_t count) {
      kernels::kernels().silu_mul({from + first, by + first, to + first, count});
    });
    return y;
  }
  return torch::silu(gate) * up;
}

Tensor gelu(const Tensor& x) {
  return fused_path(x) ? activation(x, kernels::kernels().gelu) : torch::gelu(x);
}

Tensor gelu_tanh(const Tensor& x) {
  return fused_path(x) ? activation(x, kernels::kernels().gelu_tanh) : torch::gelu(x, "tanh");
}

Tensor quick_gelu(const Tensor& x) {
  return fused_path(x) ? activation(x, kernels::kernels().quick_gelu)
                       : x * torch::sigmoid(x * kQuickGeluAlpha);
}

Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout) {
  const int64_t half = cos.size(-1), rest = x.size(-1) - 2 * half;
  ISTHMUS_CHECK(
      x.dim() == 4 && rest >= 0 && cos.dim() == 3 && sin.sizes() == cos.sizes() &&
          cos.size(1) == x.size(1) && (cos.size(0) == 1 || cos.size(0) == x.size(0)),
      "rotary: x is [batch, seq, heads, head_dim], cos and sin [batch or 1, seq, rotary_dims / 2]");
  if (fused_path(x, cos, sin) && x.stride(-1) == 1) return rotary_fused(x, cos, sin, layout);
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
  if (fused_path(query, key, value) && query.stride(-1) == 1 && key.stride(-1) == 1 &&
      value.stride(-1) == 1)
    return attention_fused(query, key, value, scale, mask);
  return attention_composed(query, key, value, scale, mask);
}

}  // namespace isthmus::nn::ops
