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

MlpImpl::MlpImpl(int64_t hidden_size, int64_t intermediate_size, layout::Activation activation,
                 const MlpOptions& options)
    : activation_(activation),
      up_(register_module(options.up, Linear(hidden_size, intermediate_size, options.bias))),
      down_(register_module(options.down, Linear(intermediate_size, hidden_size, options.bias))) {}

Tensor MlpImpl::forward(const Tensor& x) { return down_(activate(up_(x), activation_)); }

}  // namespace isthmus::nn
