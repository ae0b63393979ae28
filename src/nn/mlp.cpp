#include "nn/mlp.h"

#include "base/check.h"
#include "nn/ops.h"

namespace isthmus::nn {

Tensor activate(const Tensor& x, layout::Activation activation) {
  switch (activation) {
    case layout::Activation::kQuickGelu: return ops::quick_gelu(x);
    case layout::Activation::kGelu: return ops::gelu(x);
    case layout::Activation::kGeluTanh: return ops::gelu_tanh(x);
    case layout::Activation::kSilu: return torch::silu(x);
    case layout::Activation::kRelu: return torch::relu(x);
  }
  fail_check("a known activation", __FILE__, __LINE__,
             std::to_string(static_cast<int>(activation)));
}

GatedMlpImpl::GatedMlpImpl(int64_t hidden_size, int64_t intermediate_size)
    : gate_proj_(register_module("gate_proj", Linear(hidden_size, intermediate_size, false))),
      up_proj_(register_module("up_proj", Linear(hidden_size, intermediate_size, false))),
      down_proj_(register_module("down_proj", Linear(intermediate_size, hidden_size, false))) {}

Tensor GatedMlpImpl::forward(const Tensor& x) {
  return down_proj_(ops::silu_mul(gate_proj_(x), up_proj_(x)));
}

MlpImpl::MlpImpl(int64_t hidden_size, int64_t intermediate_size, layout::Activation activation)
    : activation_(activation),
      fc1_(register_module("fc1", Linear(hidden_size, intermediate_size))),
      fc2_(register_module("fc2", Linear(intermediate_size, hidden_size))) {}

Tensor MlpImpl::forward(const Tensor& x) { return fc2_(activate(fc1_(x), activation_)); }

}  // namespace isthmus::nn
