#include "nn/norms.h"

#include "nn/ops.h"

namespace isthmus::nn {

RmsNormImpl::RmsNormImpl(int64_t dim, double eps) : dim_(dim), eps_(eps) {}

Tensor RmsNormImpl::forward(const Tensor& x) { return ops::rms_norm(x, weight_, eps_); }

std::vector<Slot> RmsNormImpl::slots() { return {tensor_slot("weight", weight_, {dim_})}; }

LayerNormImpl::LayerNormImpl(int64_t dim, double eps) : dim_(dim), eps_(eps) {}

Tensor LayerNormImpl::forward(const Tensor& x) { return ops::layer_norm(x, weight_, bias_, eps_); }

std::vector<Slot> LayerNormImpl::slots() {
  return {tensor_slot("weight", weight_, {dim_}), tensor_slot("bias", bias_, {dim_})};
}

}  // namespace isthmus::nn
