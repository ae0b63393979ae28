// The operators where gradients are recorded: the forward pass of fused_ops.h, and in the backward
// pass its gradients. float32 on the CPU. A second derivative is refused with UnsupportedError.
#pragma once

#include "nn/ops.h"

namespace isthmus::nn::recorded {

enum class Curve { kGelu, kGeluTanh, kQuickGelu };

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps);
// bias may be undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
Tensor silu_mul(const Tensor& gate, const Tensor& up);
Tensor activation(const Tensor& x, Curve curve);
// Angles take no gradient.
Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout);
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                 const AttentionMask& mask);

}  // namespace isthmus::nn::recorded
