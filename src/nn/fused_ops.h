// The kernels over tensors: operators and their gradients, on all threads. CPU, float32, nothing
// recorded. What ops.h says of an operator holds here.
#pragma once

#include "kernels/table.h"
#include "nn/ops.h"

namespace isthmus::nn::fused {

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps);
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
Tensor silu_mul(const Tensor& gate, const Tensor& up);
Tensor activation(const Tensor& x, void (*kernel)(const kernels::ActivationArgs&));
// x with a dense last dimension; sin times `direction`: -1 turns back.
Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout,
              float direction = 1);

// Gradients from that of the result. Those of the parameters are undefined unless asked for.
struct NormGradient {
  Tensor x, weight, bias;
};
NormGradient rms_norm_gradient(const Tensor& x, const Tensor& weight, const Tensor& dy, double eps,
                               bool of_weight);
NormGradient layer_norm_gradient(const Tensor& x, const Tensor& weight, const Tensor& dy,
                                 double eps, bool of_weight, bool of_bias);
struct PairGradient {
  Tensor first, second;
};
PairGradient silu_mul_gradient(const Tensor& gate, const Tensor& up, const Tensor& dy);
Tensor activation_gradient(const Tensor& x, const Tensor& dy,
                           void (*kernel)(const kernels::ActivationGradientArgs&));

}  // namespace isthmus::nn::fused
