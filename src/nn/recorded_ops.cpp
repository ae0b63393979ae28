#include "nn/recorded_ops.h"

#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/custom_function.h>

#include "isthmus/error.h"
#include "kernels/table.h"
#include "nn/attention_paths.h"
#include "nn/fused_ops.h"

namespace isthmus::nn::recorded {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Kernels leave nothing behind to differentiate again.
void require_first_derivative(const char* what) {
  if (torch::GradMode::is_enabled())
    throw UnsupportedError(std::string(what) +
                           " has no second derivative: call backward without create_graph");
}

struct RmsNorm : Function<RmsNorm> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        double eps) {
    context->save_for_backward({x, weight});
    context->saved_data["eps"] = eps;
    return fused::rms_norm(x, weight, eps);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require_first_derivative("rms_norm");
    const auto saved = context->get_saved_variables();
    const auto d = fused::rms_norm_gradient(saved[0], saved[1], gradients[0],
                                            context->saved_data["eps"].toDouble(),
                                            context->needs_input_grad(1));
    return {d.x, d.weight, Tensor()};
  }
};

struct LayerNorm : Function<LayerNorm> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias, double eps) {
    context->save_for_backward({x, weight});
    context->saved_data["eps"] = eps;
    return fused::layer_norm(x, weight, bias, eps);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require_first_derivative("layer_norm");
    const auto saved = context->get_saved_variables();
    const auto d = fused::layer_norm_gradient(
        saved[0], saved[1], gradients[0], context->saved_data["eps"].toDouble(),
        context->needs_input_grad(1), context->needs_input_grad(2));
    return {d.x, d.weight, d.bias, Tensor()};
  }
};

struct SiluMul : Function<SiluMul> {
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up) {
    context->save_for_backward({gate, up});
    return fused::silu_mul(gate, up);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require_first_derivative("silu_mul");
    const auto saved = context->get_saved_variables();
    const auto d = fused::silu_mul_gradient(saved[0], saved[1], gradients[0]);
    return {d.first, d.second};
  }
};

struct Activation : Function<Activation> {
  static Tensor forward(AutogradContext* context, const Tensor& x, Curve curve) {
    context->save_for_backward({x});
    context->saved_data["curve"] = static_cast<int64_t>(curve);
    const kernels::KernelTable& table = kernels::kernels();
    return fused::activation(x, curve == Curve::kGelu       ? table.gelu
                                : curve == Curve::kGeluTanh ? table.gelu_tanh
                                                            : table.quick_gelu);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require_first_derivative("gelu");
    const auto curve = static_cast<Curve>(context->saved_data["curve"].toInt());
    const kernels::KernelTable& table = kernels::kernels();
    return {fused::activation_gradient(context->get_saved_variables()[0], gradients[0],
                                       curve == Curve::kGelu       ? table.gelu_gradient
                                       : curve == Curve::kGeluTanh ? table.gelu_tanh_gradient
                                                                   : table.quick_gelu_gradient),
            Tensor()};
  }
};

// The transpose of a rotation turns back.
struct Rotated : Function<Rotated> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cos,
                        const Tensor& sin, RotaryLayout layout) {
    context->save_for_backward({cos, sin});
    context->saved_data["layout"] = static_cast<int64_t>(layout);
    return fused::rotary(x, cos, sin, layout);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require_first_derivative("rotary");
    const auto saved = context->get_saved_variables();
    const auto layout = static_cast<RotaryLayout>(context->saved_data["layout"].toInt());
    return {fused::rotary(gradients[0].contiguous(), saved[0], saved[1], layout, -1), Tensor(),
            Tensor(), Tensor()};
  }
};

// A mask that owns its slopes.
struct MaskCapsule : torch::CustomClassHolder {
  explicit MaskCapsule(const AttentionMask& m)
      : slopes(m.alibi_slopes.begin(), m.alibi_slopes.end()), mask(m) {
    mask.alibi_slopes = slopes;
  }
  const std::vector<float> slopes;
  AttentionMask mask;
};

struct Attention : Function<Attention> {
  static Tensor forward(AutogradContext* context, const Tensor& query, const Tensor& key,
                        const Tensor& value, double scale, const AttentionMask& mask) {
    context->save_for_backward({query, key, value});
    context->saved_data["scale"] = scale;
    context->saved_data["mask"] =
        torch::IValue::make_capsule(c10::make_intrusive<MaskCapsule>(mask));
    return attention_fused(query, key, value, scale, mask);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    require_first_derivative("attention");
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["mask"].toCapsule();
    const auto d = attention_gradient(saved[0], saved[1], saved[2], gradients[0],
                                      context->saved_data["scale"].toDouble(),
                                      static_cast<const MaskCapsule&>(*capsule).mask);
    return {d.query, d.key, d.value, Tensor(), Tensor()};
  }
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  return RmsNorm::apply(x, weight, eps);
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  // A recorded function takes no undefined tensor.
  return LayerNorm::apply(x, weight, bias.defined() ? bias : torch::zeros_like(weight), eps);
}

Tensor silu_mul(const Tensor& gate, const Tensor& up) { return SiluMul::apply(gate, up); }

Tensor activation(const Tensor& x, Curve curve) { return Activation::apply(x, curve); }

Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout) {
  return Rotated::apply(x, cos, sin, layout);
}

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, double scale,
                 const AttentionMask& mask) {
  return Attention::apply(query, key, value, scale, mask);
}

}  // namespace isthmus::nn::recorded
