#include "nn/linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include "base/check.h"
#include "nn/dense_matrix.h"
#include "nn/ops.h"

namespace isthmus::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Keeps the matrix alive for as long as the graph needs it.
struct MatrixCapsule : torch::CustomClassHolder {
  explicit MatrixCapsule(std::shared_ptr<const WeightMatrix> m) : matrix(std::move(m)) {}
  std::shared_ptr<const WeightMatrix> matrix;
};

// Gradients pass through frozen weights to the input, whatever their storage; the weights get none.
struct FrozenLinear : torch::autograd::Function<FrozenLinear> {
  static Tensor forward(AutogradContext* context, const Tensor& x,
                        const std::shared_ptr<const WeightMatrix>& matrix) {
    context->saved_data["matrix"] =
        torch::IValue::make_capsule(c10::make_intrusive<MatrixCapsule>(matrix));
    return matrix->apply_exactly(x);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto capsule = context->saved_data["matrix"].toCapsule();
    const auto& matrix = static_cast<const MatrixCapsule&>(*capsule).matrix;
    return {matrix->apply_transposed(gradients[0]), Tensor()};
  }
};

}  // namespace

Tensor frozen_linear(const Tensor& x, const Tensor& bias,
                     const std::shared_ptr<const WeightMatrix>& matrix) {
  if (torch::GradMode::is_enabled()) {
    if (x.requires_grad()) {
      const Tensor y = FrozenLinear::apply(x, matrix);
      return bias.defined() ? y + bias : y;
    }
    if (bias.defined() && bias.requires_grad()) return frozen_linear(x, Tensor(), matrix) + bias;
  }
  const torch::NoGradGuard no_gradient;  // nothing to record: the fused product is allowed
  return matrix->apply(x, bias);
}

LinearImpl::LinearImpl(int64_t in_features, int64_t out_features, bool bias)
    : in_features_(in_features), out_features_(out_features), has_bias_(bias) {}

Tensor LinearImpl::forward(const Tensor& x) {
  Tensor y;
  if (weight_.defined()) {
    y = ops::fused_enabled() ? DenseMatrix(weight_).apply(x, bias_)
                             : torch::linear(x, weight_, bias_);
  } else {
    ISTHMUS_CHECK(matrix_ != nullptr, "a linear layer was used before its weights were assigned");
    y = frozen_linear(x, bias_, matrix_);
  }
  if (lora_a_) {
    const bool drops = lora_dropout_ > 0 && torch::GradMode::is_enabled();
    const Tensor own = drops ? torch::dropout(x, lora_dropout_, /*train=*/true) : x;
    y = y + lora_b_->forward(lora_a_->forward(own)) * lora_scale_;
  }
  return y;
}

void LinearImpl::set_matrix(std::shared_ptr<const WeightMatrix> matrix) {
  ISTHMUS_CHECK(matrix->rows() == out_features_ && matrix->cols() == in_features_,
                "a weight matrix of another shape");
  matrix_ = std::move(matrix);
  weight_ = Tensor();
  if (parameters_.contains("weight")) parameters_.erase("weight");
}

void LinearImpl::set_bias(const Tensor& bias) {
  ISTHMUS_CHECK(has_bias_ && bias.dim() == 1 && bias.size(0) == out_features_,
                "a bias of another shape");
  replace_parameter("bias", bias_, bias);
}

void LinearImpl::make_trainable() {
  if (!weight_.defined()) {
    ISTHMUS_CHECK(matrix_ != nullptr, "no weights to train");
    replace_parameter("weight", weight_, matrix_->to_dense());
    matrix_.reset();
  }
  weight_.requires_grad_(true);
  if (bias_.defined()) bias_.requires_grad_(true);
}

void LinearImpl::set_lora(std::shared_ptr<const WeightMatrix> a,
                          std::shared_ptr<const WeightMatrix> b, double scale) {
  ISTHMUS_CHECK(a->cols() == in_features_ && b->rows() == out_features_ && a->rows() == b->cols(),
                "LoRA matrices of another shape");
  lora_a_ = std::make_shared<LinearImpl>(in_features_, a->rows(), false);
  lora_b_ = std::make_shared<LinearImpl>(b->cols(), out_features_, false);
  lora_a_->set_matrix(std::move(a));
  lora_b_->set_matrix(std::move(b));
  lora_scale_ = scale;
  for (const auto& [name, module] : {std::pair{"lora_A", lora_a_}, std::pair{"lora_B", lora_b_}}) {
    if (named_children().contains(name)) unregister_module(name);
    register_module(name, module);
  }
}

Slot LinearImpl::weight_slot(Shape published_shape) {
  Slot slot;
  slot.name = "weight";
  slot.shape = std::move(published_shape);
  slot.set_matrix = [this](std::shared_ptr<const WeightMatrix> matrix) {
    set_matrix(std::move(matrix));
  };
  slot.matrix = [this] { return matrix_; };
  slot.value = [this, shape = slot.shape] {
    if (weight_.defined()) return weight_.detach().view(shape);
    return matrix_ ? matrix_->to_dense().view(shape) : Tensor();
  };
  return slot;
}

std::vector<Slot> LinearImpl::slots() {
  std::vector<Slot> out = {weight_slot({out_features_, in_features_})};
  if (has_bias_) out.push_back(tensor_slot("bias", bias_, {out_features_}));
  return out;
}

}  // namespace isthmus::nn
